import {
  type Assignment,
  type Command,
  type CommandNode,
  forEachChild,
  type HereDoc,
  type ParsedScript,
  parse,
  type Redirection,
  type Script,
  type Statement,
  type SyntaxNode,
} from 'unbash'
import { limits } from '../../sys/index.js'
import type { Arg } from '../item.js'
import type { Finder, Place, Stdin } from './finder.js'
import { directoryOf, type ShellState } from './state.js'
import { choosesPrograms, namesChooser, substitutes } from './variables.js'
import { argOf } from './words.js'

/** Goes through the syntax of a shell text and tells the finder every command in it, with what is known of the shell at that point. */
export class Walk {
  readonly #finder: Finder
  readonly #source: string
  readonly #within: readonly string[]

  constructor(finder: Finder, source: string, within: readonly string[]) {
    this.#finder = finder
    this.#source = source
    this.#within = within
  }

  run(state: ShellState): void {
    this.#script(parse(this.#source), state)
  }

  #script(script: ParsedScript | Script, state: ShellState): void {
    const { errors } = script as ParsedScript
    if (errors !== undefined && errors.length > 0) this.#unknown(`the shell text cannot be parsed: ${errors[0].message}`, script, state)
    // Of backticks with escapes in them: what is below has positions in its own text.
    const walk = script.source === undefined ? this : new Walk(this.#finder, script.source, this.#within)
    walk.#statements(script.commands, state)
  }

  #statements(statements: readonly Statement[], state: ShellState): void {
    for (const statement of statements) this.#node(statement.command, statement.background === true ? state.copy() : state, undefined)
  }

  #node(node: SyntaxNode, state: ShellState, stdin: Stdin): void {
    switch (node.type) {
      case 'Command':
        this.#command(node, state, stdin)
        return
      case 'AndOr':
        this.#andOr(node, state)
        return
      case 'Pipeline':
        this.#pipeline(node.commands, state)
        return
      case 'Statement':
        this.#statements([node], state)
        return
      case 'CompoundList':
        this.#statements(node.commands, state)
        return
      case 'BraceGroup':
        this.#node(node.body, state, stdin)
        return
      case 'Subshell':
        this.#node(node.body, state.copy(), stdin)
        return
      case 'Redirected': {
        const place = this.#redirections(node.redirects, state, node)
        if (place.writes.length > 0) this.#finder.command(':', [], { ...place, text: this.#text(node) })
        this.#node(node.command, state, place.stdin ?? stdin)
        return
      }
      case 'Function':
        this.#function(node, state)
        return
      case 'Coproc':
        this.#node(node.body, state.copy(), 'something')
        return
      default:
        this.#compound(node, state, stdin)
        return
    }
  }

  /** Branches and loops: what they do may happen, or not. */
  #compound(node: SyntaxNode, state: ShellState, stdin: Stdin): void {
    switch (node.type) {
      case 'If':
        this.#node(node.clause, state, stdin)
        this.#branches(state, [node.then, ...node.elif, ...(node.else === undefined ? [] : [node.else])], stdin)
        return
      case 'Elif':
        this.#node(node.clause, state, stdin)
        this.#branches(state, [node.then], stdin)
        return
      case 'Case':
        this.#inside(node.word, state)
        for (const { pattern } of node.items) for (const word of pattern) this.#inside(word, state)
        this.#branches(
          state,
          node.items.map(item => item.body),
          stdin,
        )
        return
      case 'While':
        this.#loop(state, [node.clause, node.body], stdin)
        return
      case 'For':
      case 'Select':
        if (choosesPrograms(node.name.value)) state.taint(`${node.name.value} is set`)
        for (const word of node.wordlist ?? []) this.#inside(word, state)
        this.#loop(state, [node.body], stdin)
        return
      case 'ArithmeticFor':
        for (const part of [node.initialize, node.test, node.update]) if (part !== undefined) this.#inside(part, state)
        this.#loop(state, [node.body], stdin)
        return
      default:
        this.#inside(node, state)
        return
    }
  }

  #branches(state: ShellState, branches: readonly SyntaxNode[], stdin: Stdin): void {
    const after = branches.map(branch => {
      const own = state.copy()
      this.#node(branch, own, stdin)
      return own
    })
    for (const own of after) state.orElse(own)
  }

  #loop(state: ShellState, parts: readonly SyntaxNode[], stdin: Stdin): void {
    for (let round = 0; ; round++) {
      const before = state.summary
      const own = state.copy()
      for (const part of parts) this.#node(part, own, stdin)
      state.orElse(own)
      if (state.summary === before) return
      // `cd sub` leads elsewhere each time.
      if (round === 1) state.cwds = undefined
    }
  }

  #andOr(node: { commands: readonly SyntaxNode[]; operators: readonly string[] }, state: ShellState): void {
    this.#node(node.commands[0], state, undefined)
    // After `cd x &&` it is certain that the shell went there; with what comes after an `||` nothing is.
    const isChain = node.operators.every(operator => operator === '&&')
    const chain = isChain ? state.copy() : state
    for (const command of node.commands.slice(1)) {
      if (isChain) this.#node(command, chain, undefined)
      else this.#branches(state, [command], undefined)
    }
    if (isChain && node.commands.length > 1) state.orElse(chain)
  }

  #pipeline(commands: readonly CommandNode[], state: ShellState): void {
    if (commands.length === 1) {
      this.#node(commands[0], state, undefined)
      return
    }
    for (const [i, command] of commands.entries()) this.#node(command, state.copy(), i === 0 ? undefined : 'something')
  }

  #function(node: SyntaxNode & { type: 'Function' }, state: ShellState): void {
    const { value: name } = node.name
    const own = state.copy()
    own.cwds = undefined
    own.hasMoved = false
    own.functions.set(name, { moves: false })
    this.#node(node.body, own, 'something')
    const moves = own.hasMoved
    if (own.tainted !== undefined) state.taint(own.tainted)
    for (const alias of own.aliases) state.aliases.add(alias)
    state.functions.set(name, { moves })
  }

  #command(node: Command, state: ShellState, stdin: Stdin): void {
    const { name } = node
    const args: Arg[] = []
    for (const child of node.suffix) {
      if (child.type === 'Word') args.push(argOf(child))
      else if (child.type === 'Assignment') args.push(this.#assigned(child))
      else continue
      this.#inside(child, state)
    }
    const sets = node.prefix.filter(child => child.type === 'Assignment')
    // `IFS= read` is how lines are read.
    for (const one of sets) if (one.name !== 'IFS' || name?.value !== 'read') this.#assignment(one, state)
    const redirected = this.#redirections(node.redirects, state, node)
    const place = { ...redirected, stdin: redirected.stdin ?? stdin, sets: sets.map(one => one.name) }
    if (name !== undefined) {
      this.#inside(name, state)
      this.#finder.command(argOf(name), args, place)
    } else if (place.writes.length > 0) this.#finder.command(':', [], place)
  }

  #assigned(node: Assignment): Arg {
    const value = node.value.type === 'Word' ? argOf(node.value) : undefined
    return typeof value === 'string' ? `${node.name}=${value}` : { prefix: `${node.name}=`, isMany: false }
  }

  #assignment(node: Assignment, state: ShellState): void {
    this.#inside(node, state)
    if (choosesPrograms(node.name)) state.taint(`${node.name} is set`)
    const value = node.value.type === 'Word' ? argOf(node.value) : undefined
    // `x='a[$(cmd)]'; echo $((x))` runs cmd.
    if (typeof value === 'string' && substitutes(value, '[')) this.#unknown('a variable holds what arithmetic would run', node, state)
  }

  /** What its redirections give it to read, and where they write. */
  #redirections(redirects: readonly Redirection[], state: ShellState, node: SyntaxNode): Place {
    let stdin: Stdin
    const writes: string[] = []
    for (const one of redirects) {
      this.#inside(one, state)
      if (one.type === 'HereDoc') stdin = isPlain(one) ? { text: one.body.text } : 'something'
      else {
        const target = one.target === undefined ? undefined : argOf(one.target)
        if (one.type === 'HereString') stdin = typeof target === 'string' ? { text: target } : 'something'
        else {
          if (one.operator.includes('<')) stdin = 'something'
          if (typeof target === 'string') this.#target(target, one.operator, state, node, writes)
        }
      }
    }
    return { state, within: this.#within, text: this.#text(node), stdin, isShell: true, writes, sets: [] }
  }

  #target(target: string, operator: string, state: ShellState, node: SyntaxNode, writes: string[]): void {
    if (/^\/dev\/(tcp|udp)\//.test(target)) this.#unknown('a redirection opens a connection', node, state)
    if (!operator.includes('>') || /^(\d+|-)$/.test(target)) return
    for (const cwd of state.cwds ?? ['/']) {
      if (state.cwds === undefined && !target.startsWith('/')) return
      const path = directoryOf(target, cwd, this.#finder.workspace)
      if (path !== undefined) writes.push(path)
    }
  }

  /** Everything that is run to find out what words mean. */
  #inside(node: SyntaxNode, state: ShellState): void {
    switch (node.type) {
      case 'CommandExpansion':
      case 'ProcessSubstitution':
      case 'ArithmeticCommandExpansion': {
        if (node.script === undefined) {
          this.#unknown('a substitution cannot be parsed', node, state)
          return
        }
        const how = node.type === 'ProcessSubstitution' ? `${node.operator}(…)` : node.text.startsWith('`') ? '`…`' : '$(…)'
        new Walk(this.#finder, this.#source, [...this.#within, how]).#script(node.script, state.copy())
        return
      }
      case 'ArithmeticExpansion':
      case 'ArithmeticCommand':
        this.#arithmetic(node, state)
        break
      case 'ParameterExpansion':
        this.#parameter(node, state)
        break
      case 'TestUnary':
      case 'TestBinary':
        this.#test(node, state)
        break
      case 'SimpleExpansion':
        return
      case 'HereDoc':
        if (node.delimiter?.quoted === true) return
        break
      default:
    }
    forEachChild(node, child => this.#inside(child, state))
  }

  #arithmetic(node: SyntaxNode & { type: 'ArithmeticExpansion' | 'ArithmeticCommand' }, state: ShellState): void {
    const text = this.#text(node)
    if (/=|\+\+|--/.test(text) && namesChooser(text)) state.taint('arithmetic sets a variable that chooses programs')
    if (node.expression === undefined && /\$\(|`/.test(text)) this.#unknown('arithmetic cannot be parsed', node, state)
  }

  /** `[[ 'a[$(cmd)]' -eq 1 ]]` runs cmd. */
  #test(node: SyntaxNode & { type: 'TestUnary' | 'TestBinary' }, state: ShellState): void {
    const words = node.type === 'TestUnary' ? [node.operand] : [node.left, node.right]
    const isText = /^(=~|==?|!=|<|>|-[^v])$/.test(node.operator)
    if (!isText && words.map(argOf).some(arg => typeof arg === 'string' && substitutes(arg, '['))) this.#unknown('a test evaluates text', node, state)
  }

  #parameter(node: SyntaxNode & { type: 'ParameterExpansion' }, state: ShellState): void {
    const { operation } = node
    if (operation?.type === 'Default' && operation.operator.endsWith('=') && (node.prefix === '!' || choosesPrograms(node.parameter)))
      state.taint(`${node.parameter} is set`)
    const transform = operation?.type === 'Transform' ? operation.operand.value : ''
    if (operation?.type === 'Unknown' || transform === 'P' || transform === 'E') this.#unknown('an expansion evaluates text', node, state)
  }

  #unknown(why: string, node: SyntaxNode, state: ShellState): void {
    const text = this.#text(node)
    this.#finder.unknown(why, { state, within: this.#within, text, stdin: undefined, isShell: true, writes: [], sets: [] })
  }

  #text(node: { pos: number; end: number }): string {
    return this.#source.slice(node.pos, Math.min(node.end, node.pos + limits.judgedTextChars))
  }
}

/** What it gives to read is what is written here. */
function isPlain({ delimiter, body }: HereDoc): boolean {
  return delimiter?.quoted === true || (body.parts?.every(part => part.type === 'Literal') !== false && !/[\\$`]/.test(body.text))
}
