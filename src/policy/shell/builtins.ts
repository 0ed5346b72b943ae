import type { Arg } from '../item.js'
import { isKnown } from '../item.js'
import type { Finder, Place } from './finder.js'
import { choosesPrograms, substitutes } from './variables.js'

/** What a builtin of a shell does to what is known of it. */
type Builtin = (args: readonly Arg[], place: Place, finder: Finder) => void

const nothing: Builtin = () => {}

/** `read X`, `unset X`: names of variables. */
function names(args: readonly Arg[], place: Place, finder: Finder): void {
  for (const arg of args) {
    if (typeof arg !== 'string') {
      if (arg.isMany || /^$|^[A-Za-z_]/.test(arg.prefix)) setUnknown(arg, place)
      continue
    }
    if (substitutes(arg)) finder.unknown('a name of a variable holds what is run', place)
    const name = /^[A-Za-z_]\w*/.exec(arg)?.[0]
    if (name !== undefined && choosesPrograms(name)) place.state.taint(`${name} is set`)
    place.state.functions.delete(arg)
  }
}

/** `X=…` sets X, whatever the value; without a name that is known it may be any. */
function setUnknown(arg: Exclude<Arg, string>, { state }: Place): void {
  const name = /^([A-Za-z_]\w*)=/.exec(arg.prefix)?.[1]
  if (name === undefined) state.taint('it is not known which variable is set')
  else if (choosesPrograms(name)) state.taint(`${name} is set`)
}

const declare: Builtin = (args, place, finder) => {
  if (args.some(arg => typeof arg === 'string' && /^[-+]\w*n/.test(arg))) place.state.taint('a name is made to mean another one')
  names(
    args.filter(arg => typeof arg !== 'string' || !/^[-+]/.test(arg)),
    place,
    finder,
  )
}

const printf: Builtin = (args, place, finder) => {
  const [first, name] = args
  if (first === '-v') names(name === undefined ? [] : [name], place, finder)
  else if (typeof first === 'string' ? first.startsWith('-v') : first?.prefix === '') {
    // `printf "$x"` sets a variable only if $x is -v…, and then there is another argument.
    if (args.length > 1) names([typeof first === 'string' ? first.slice(2) : first], place, finder)
  }
}

const cd: Builtin = (args, { state }, finder) => {
  const targets = args.filter(arg => typeof arg !== 'string' || !/^-[LPe@]+$|^--$/.test(arg))
  const [target] = targets
  state.move(targets.length === 1 && (typeof target === 'string' || !target.isMany) ? target : undefined, finder.workspace)
}

/** `pushd`, `popd`: a stack that is not kept here. */
const elsewhere: Builtin = (_, { state }) => state.move(undefined, undefined)

const evaluate: Builtin = (args, place, finder) => {
  if (isKnown(args)) finder.script(args.join(' '), place.state, [...place.within, 'eval'])
  else finder.unknown('eval runs text that is not known', place, 'eval', args)
}

const source: Builtin = (args, place, finder) => finder.unknown('the shell runs what is in a file', place, 'source', args)

const trap: Builtin = (args, place, finder) => {
  const [action] = args.filter(arg => arg !== '--')
  if (action === undefined || action === '-' || action === '' || action === '-l' || action === '-p') return
  if (typeof action === 'string') finder.script(action, place.state.copy(), [...place.within, 'trap'])
  else finder.unknown('trap runs text that is not known', place, 'trap', args)
}

const alias: Builtin = (args, { state }) => {
  for (const arg of args) {
    const name = /^([^=]+)=/.exec(typeof arg === 'string' ? arg : arg.prefix)?.[1]
    if (name !== undefined) state.aliases.add(name)
    else if (typeof arg !== 'string') state.taint('any name may be an alias')
  }
}

/** `command`, `builtin`: past functions and aliases. */
const past: Builtin = (args, place, finder) => {
  let rest = args
  for (; typeof rest[0] === 'string' && /^-[pvV]+$|^--$/.test(rest[0]); rest = rest.slice(1)) if (/[vV]/.test(rest[0])) return
  const { state } = place
  if (rest.length > 0) {
    const plain = state.copy()
    plain.functions.clear()
    plain.aliases.clear()
    finder.command(rest[0], rest.slice(1), { ...place, state: plain })
    if (plain.hasMoved) {
      state.cwds = plain.cwds
      state.hasMoved = true
    }
    if (plain.tainted !== undefined) state.taint(plain.tainted)
  }
}

const exec: Builtin = (args, place, finder) => {
  let rest = args
  for (; typeof rest[0] === 'string' && /^-[cla]+$|^--$/.test(rest[0]); ) rest = rest.slice(rest[0].includes('a') ? 2 : 1)
  if (rest.length > 0) finder.command(rest[0], rest.slice(1), { ...place, isShell: false })
}

const redefines: Builtin = (args, place) => {
  if (args.length > 0) place.state.taint('the shell is told what a name means')
}

const hash: Builtin = (args, place) => {
  if (!isKnown(args) || args.some(arg => /^-\w*p/.test(arg))) place.state.taint('the shell is told where a program is')
}

const test: Builtin = (args, place, finder) => {
  if (args.some(arg => typeof arg === 'string' && substitutes(arg, '['))) finder.unknown('a name of a variable holds what is run', place)
}

/** `let x=1`, whose arguments are arithmetic. */
const arithmetic: Builtin = (args, place, finder) => {
  if (!isKnown(args) || args.some(arg => substitutes(arg))) finder.unknown('arithmetic of text that is not known', place, 'let', args)
  names(args, place, finder)
}

/** Builtins that shells have in common, and those of bash. What is not here is looked for as a program. */
export const builtins: ReadonlyMap<string, Builtin> = new Map([
  ...[':', 'true', 'false', 'echo', 'pwd', 'exit', 'return', 'break', 'continue', 'shift', 'times', 'umask', 'ulimit', 'wait', 'jobs', 'fg', 'bg', 'kill'].map(
    name => [name, nothing] as const,
  ),
  ...['type', 'history', 'suspend', 'disown', 'dirs', 'caller', 'help', 'unalias', 'set', 'shopt', 'logout', 'compopt'].map(name => [name, nothing] as const),
  ...['export', 'readonly', 'local', 'declare', 'typeset'].map(name => [name, declare] as const),
  ...['read', 'unset', 'getopts', 'mapfile', 'readarray'].map(name => [name, names] as const),
  ...['pushd', 'popd'].map(name => [name, elsewhere] as const),
  ...['.', 'source'].map(name => [name, source] as const),
  ...['command', 'builtin'].map(name => [name, past] as const),
  ...['enable', 'complete', 'compgen', 'bind', 'fc'].map(name => [name, redefines] as const),
  ...['test', '['].map(name => [name, test] as const),
  ['cd', cd],
  ['printf', printf],
  ['eval', evaluate],
  ['trap', trap],
  ['alias', alias],
  ['exec', exec],
  ['hash', hash],
  ['let', arithmetic],
])
