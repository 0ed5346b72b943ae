import { ANY_NUMBER, type Arg, isKnown, mayBeOption, typed } from '../item.js'
import type { Finder, Place } from './finder.js'
import { type OptionRules, type Options, readOptions } from './options.js'
import { choosesPrograms } from './variables.js'

/** Tells the finder what a program that starts others starts. */
type Starter = (name: string, args: readonly Arg[], place: Place, finder: Finder) => void

/** What it starts is not looked up by a shell. */
function inner(place: Place, how: string): Place {
  return { ...place, within: [...place.within, how], isShell: false, writes: [], sets: [] }
}

function begin([program, ...args]: readonly Arg[], place: Place, finder: Finder): void {
  if (program !== undefined) finder.command(program, args, { ...place, text: typed([program, ...args]) })
}

function unclear(name: string, args: readonly Arg[], place: Place, finder: Finder): void {
  finder.unknown(`it cannot be told what ${name} starts`, place, name, args)
}

/** Options, then so many operands of its own, then a command. */
function plain(rules: OptionRules, operands = 0, look?: (options: Options) => boolean): Starter {
  return (name, args, place, finder) => {
    const options = readOptions(args, rules)
    if (options === undefined || look?.(options) === false) return unclear(name, args, place, finder)
    const own = options.rest.slice(0, operands)
    if (own.some(arg => typeof arg !== 'string' && arg.isMany)) return unclear(name, args, place, finder)
    begin(options.rest.slice(operands), inner(place, name), finder)
  }
}

const env: Starter = (name, args, place, finder) => {
  const options = readOptions(args, {
    flags: 'i0v',
    values: 'uCS',
    long: ['ignore-environment', 'null', 'debug', 'default-signal', 'ignore-signal', 'block-signal'],
    longValues: ['unset', 'chdir', 'split-string'],
  })
  if (options === undefined || options.given.has('S') || options.given.has('split-string')) return unclear(name, args, place, finder)
  const state = place.state.copy()
  const directory = options.given.get('C') ?? options.given.get('chdir')
  if (directory !== undefined && directory !== true) {
    state.move(directory, finder.workspace)
    if (state.cwds !== undefined && state.cwds.length > 1) state.cwds = state.cwds.filter(cwd => place.state.cwds?.includes(cwd) !== true)
  }
  // A dash alone is -i.
  const words = options.rest[0] === '-' ? options.rest.slice(1) : options.rest
  startWith(words, { ...inner(place, name), state }, finder, () => unclear(name, args, place, finder))
}

/** `A=b C=d command …`. */
function startWith(words: readonly Arg[], place: Place, finder: Finder, onUnclear: () => void): void {
  for (const [i, word] of words.entries()) {
    const text = typeof word === 'string' ? word : word.prefix
    const variable = /^([^=]+)=/.exec(text)?.[1]
    if (variable === undefined) {
      if (typeof word !== 'string' && word.prefix === '') onUnclear()
      else begin(words.slice(i), place, finder)
      return
    }
    if (typeof word !== 'string' && word.isMany) {
      onUnclear()
      return
    }
    if (choosesPrograms(variable)) place.state.taint(`${variable} is set`)
  }
}

const sudo: Starter = (name, args, place, finder) => {
  const options = readOptions(args, {
    flags: 'AbEHinPSskK',
    values: 'ugDRTCpr',
    long: ['askpass', 'background', 'preserve-env', 'set-home', 'login', 'non-interactive', 'stdin', 'shell', 'reset-timestamp'],
    longValues: ['user', 'group', 'chdir', 'prompt', 'host'],
  })
  if (options === undefined) return unclear(name, args, place, finder)
  const { given, rest } = options
  if (['i', 's', 'login', 'shell'].some(option => given.has(option))) {
    if (!isKnown(rest) || rest.length === 0) return unclear(name, args, place, finder)
    return finder.script(rest.join(' '), place.state.copy(), [...place.within, name])
  }
  startWith(rest, inner({ ...place, state: place.state.copy() }, name), finder, () => unclear(name, args, place, finder))
}

const xargs: Starter = (name, args, place, finder) => {
  const options = readOptions(args, {
    flags: '0rtpxo',
    values: 'nLPIsEda',
    long: ['null', 'no-run-if-empty', 'verbose', 'interactive', 'exit', 'open-tty'],
    longValues: ['max-args', 'max-lines', 'max-procs', 'replace', 'max-chars', 'eof', 'delimiter', 'arg-file', 'process-slot-var'],
  })
  if (options === undefined) return unclear(name, args, place, finder)
  const words = options.rest.length === 0 ? ['echo'] : options.rest
  const replaced = options.given.get('I') ?? options.given.get('replace')
  if (replaced === undefined) return begin([...words, ANY_NUMBER], { ...inner(place, name), stdin: undefined }, finder)
  const fill = (arg: Arg): Arg => (typeof replaced !== 'string' ? { prefix: '', isMany: false } : filled(arg, replaced))
  begin(words.map(fill), { ...inner(place, name), stdin: undefined }, finder)
}

/** An argument in which something that is not known takes the place of `mark`. */
function filled(arg: Arg, mark: string): Arg {
  const at = typeof arg === 'string' ? arg.indexOf(mark) : -1
  return at < 0 || typeof arg !== 'string' ? arg : { prefix: arg.slice(0, at), isMany: false }
}

const find: Starter = (name, args, place, finder) => {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg !== 'string') {
      if (mayBeOption(arg)) return unclear(name, args, place, finder)
    } else if (/^-(exec|execdir|ok|okdir)$/.test(arg)) {
      const end = args.findIndex((one, at) => at > i && (one === ';' || (one === '+' && args[at - 1] === '{}')))
      const command = args.slice(i + 1, end < 0 ? args.length : end).map(one => filled(one, '{}'))
      const many = args[end] === '+' ? command.map(one => (typeof one === 'string' ? one : { ...one, isMany: true })) : command
      const state = place.state.copy()
      if (arg.endsWith('dir')) state.cwds = undefined
      begin(many, { ...inner({ ...place, state }, `${name} ${arg}`), stdin: 'something' }, finder)
      if (end >= 0) i = end
    }
  }
}

/** fd: what follows -x is a command to the end. */
const fd: Starter = (name, args, place, finder) => {
  const at = args.findIndex(arg => typeof arg === 'string' && /^(-\w*[xX]|--exec|--exec-batch)(=|$)/.test(arg))
  if (at < 0) {
    if (args.some(arg => typeof arg !== 'string' && mayBeOption(arg))) unclear(name, args, place, finder)
    return
  }
  const words = args.slice(at + 1)
  if (words.length === 0 || String(args[at]).includes('=')) unclear(name, args, place, finder)
  else begin([...words, ANY_NUMBER], inner(place, name), finder)
}

/** Text for `sh -c` in an option, such as of `su -c` and `npx -c`. @param isAnywhere options may stand behind operands */
function text(rules: OptionRules, letters: readonly string[], isAnywhere: boolean): Starter {
  return (name, args, place, finder) => {
    const options = readOptions(args, rules)
    const script = letters.map(letter => options?.given.get(letter)).find(given => given !== undefined)
    if (typeof script === 'string') return finder.script(script, place.state.copy(), [...place.within, `${name} -c`])
    // `su user -c text`: options behind operands.
    const isBehind = isAnywhere && options?.rest.some(arg => typeof arg !== 'string' || /^(-\w*c|--command)/.test(arg)) === true
    if (options === undefined || script !== undefined || isBehind) unclear(name, args, place, finder)
  }
}

const watch: Starter = (name, args, place, finder) => {
  const options = readOptions(args, {
    flags: 'bcCdeghprtwx',
    values: 'nq',
    long: ['beep', 'color', 'differences', 'errexit', 'chgexit', 'no-title', 'no-wrap', 'exec', 'precise'],
    longValues: ['interval'],
  })
  if (options === undefined || !isKnown(options.rest)) return unclear(name, args, place, finder)
  finder.script(options.rest.join(' '), place.state.copy(), [...place.within, name])
}

const flock: Starter = (name, args, place, finder) => {
  const options = readOptions(args, { flags: 'sxeunoFv', values: 'wE', long: ['shared', 'exclusive', 'nonblock', 'unlock'], longValues: ['timeout', 'wait'] })
  if (options === undefined) return unclear(name, args, place, finder)
  const [, program, ...rest] = options.rest
  if (program === '-c' || program === '--command') {
    if (typeof rest[0] === 'string') finder.script(rest[0], place.state.copy(), [...place.within, name])
    else unclear(name, args, place, finder)
  } else if (program !== undefined) begin([program, ...rest], inner(place, name), finder)
}

/** Applets are named as programs are. */
const busybox: Starter = (name, args, place, finder) => begin(args, inner(place, name), finder)

/** `bash -c text`, `sh file`, `sh < text`. */
const shell: Starter = (name, args, place, finder) => {
  let at = 0
  let [takesText, readsStdin] = [false, false]
  for (; at < args.length; at++) {
    const arg = args[at]
    if (typeof arg !== 'string') {
      if (mayBeOption(arg) || arg.isMany) return unclear(name, args, place, finder)
      break
    }
    if (arg === '--' || arg === '-') {
      at++
      break
    }
    if (arg.startsWith('--')) {
      if (/^--(rcfile|init-file)/.test(arg)) return unclear(name, args, place, finder)
      continue
    }
    if (!/^[-+]./.test(arg)) break
    if (arg.startsWith('-') && arg.includes('c')) takesText = true
    if (arg.includes('s')) readsStdin = true
    if (arg.includes('i') || arg.includes('l')) place.state.taint(`${name} reads its start-up files`)
    // Each takes the name of an option.
    at += arg.replace(/[^oO]/g, '').length
  }
  const operand = args[at]
  if (takesText) {
    if (typeof operand !== 'string') return unclear(name, args, place, finder)
    return finder.script(operand, fresh(place), [...place.within, `${name} -c`])
  }
  if (operand !== undefined && !readsStdin) return finder.runs(name, args, place)
  if (typeof place.stdin === 'object') finder.script(place.stdin.text, fresh(place), [...place.within, name])
  else finder.unknown(`${name} runs what it reads`, place, name, args)
}

/** Another shell knows nothing of the functions and aliases of the first. */
function fresh({ state }: Place): Place['state'] {
  const own = state.copy()
  own.functions.clear()
  own.aliases.clear()
  return own
}

const shells = ['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'mksh', 'rbash', 'fish']

/** Programs that start others. `isSoft`: they do nothing else, so that they run where no rule says otherwise. */
export const starters: ReadonlyMap<string, { start: Starter; isSoft: boolean }> = new Map<string, { start: Starter; isSoft: boolean }>([
  ...shells.map(name => [name, { start: shell, isSoft: true }] as const),
  ['env', { start: env, isSoft: true }],
  ['xargs', { start: xargs, isSoft: true }],
  ['nice', { start: plain({ values: 'n', longValues: ['adjustment'], numbers: true }), isSoft: true }],
  ['nohup', { start: plain({}), isSoft: true }],
  [
    'timeout',
    { start: plain({ flags: 'fpv', values: 'sk', long: ['foreground', 'preserve-status', 'verbose'], longValues: ['signal', 'kill-after'] }, 1), isSoft: true },
  ],
  ['time', { start: plain({ flags: 'pav', values: 'fo', long: ['portability', 'append', 'verbose'], longValues: ['format', 'output'] }), isSoft: true }],
  ['stdbuf', { start: plain({ values: 'ioe', longValues: ['input', 'output', 'error'] }), isSoft: true }],
  ['setsid', { start: plain({ flags: 'cfw', long: ['ctty', 'fork', 'wait'] }), isSoft: true }],
  ['ionice', { start: plain({ flags: 't', values: 'cn', longValues: ['class', 'classdata'] }), isSoft: true }],
  ['taskset', { start: plain({ flags: 'ac' }, 1), isSoft: true }],
  ['busybox', { start: busybox, isSoft: true }],
  ['toybox', { start: busybox, isSoft: true }],
  ['watch', { start: watch, isSoft: true }],
  ['flock', { start: flock, isSoft: false }],
  ['sudo', { start: sudo, isSoft: false }],
  ['doas', { start: plain({ flags: 'nLs', values: 'uC' }, 0, ({ given }) => !given.has('s')), isSoft: false }],
  ['find', { start: find, isSoft: false }],
  ['fd', { start: fd, isSoft: false }],
  ['fdfind', { start: fd, isSoft: false }],
  ['chroot', { start: plain({ longValues: ['userspec', 'groups'], long: ['skip-chdir'] }, 1), isSoft: false }],
  [
    'su',
    {
      start: text({ flags: 'lmpfP', values: 'csgG', long: ['login'], longValues: ['command', 'shell'] }, ['c', 'command'], true),
      isSoft: false,
    },
  ],
  ['script', { start: text({ flags: 'aefq', values: 'cEIOBTmot' }, ['c'], true), isSoft: false }],
  [
    'npx',
    {
      start: text({ flags: 'yq', values: 'pc', long: ['yes', 'no', 'no-install'], longValues: ['package', 'call'] }, ['c', 'call'], false),
      isSoft: false,
    },
  ],
])
