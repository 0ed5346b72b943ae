import type { RE2JS } from 're2js'
import { exactPathGlob, literalGlob, pathGlobs } from './glob.js'
import { Misplaced, type Path } from './misplaced.js'
import { type PatternSource, type TextTest, textTest } from './pattern.js'
import { ANY_ARG, ANY_ARGS, type ArgPattern, type Example, type Policy, type Rule, type RuleMatch } from './policy.js'
import type { FileEffect, FileExample, FileLimits, FileMatch, FileRule, PolicyFile } from './schema.js'
import type { Effect, PolicyLimits } from './types.js'

/**
 * Makes the tests of a policy whose form was checked.
 * @param lineOf the line of what stands at a path of the file
 * @throws Misplaced
 */
export function compilePolicy(file: PolicyFile, text: string, engine: typeof RE2JS | undefined, lineOf: (path: Path) => number): Policy {
  const shared = limitsOf(file.limits, ['limits'])
  const rules = (file.rules ?? []).map((rule, i) => compileRule(rule, i, shared, engine, lineOf))
  const names = new Set<string>()
  for (const [i, { name }] of rules.entries()) {
    if (names.has(name))
      throw new Misplaced(['rules', i, 'name'], `there is a rule ${JSON.stringify(name)} before this one`, 'Give each rule a name of its own.')
    names.add(name)
  }
  const examples = (file.examples ?? []).map((one, i) => exampleOf(one, i, names, lineOf))
  return {
    text,
    fallback: effectOf(file.default),
    unknown: effectOf(file.unknown ?? 'deny'),
    ask: { ...(file.ask?.timeout !== undefined && { timeoutMs: file.ask.timeout }), ...(file.ask?.webhook !== undefined && { webhook: file.ask.webhook }) },
    limits: shared,
    rules,
    examples,
  }
}

export function effectOf(effect: FileEffect): Effect {
  return effect === 'allow-with-checkpoint' ? 'checkpoint' : effect
}

/** As the file writes it. */
export function effectInFile(effect: Effect): FileEffect {
  return effect === 'checkpoint' ? 'allow-with-checkpoint' : effect
}

function compileRule(rule: FileRule, i: number, shared: PolicyLimits, engine: typeof RE2JS | undefined, lineOf: (path: Path) => number): Rule {
  const path: Path = ['rules', i]
  return {
    name: rule.name ?? `rule ${i + 1}`,
    line: lineOf(path),
    effect: effectOf(rule.effect),
    ...(rule.reason === undefined ? {} : { reason: rule.reason }),
    match: compileMatch(rule.match ?? {}, [...path, 'match'], effectOf(rule.effect), engine),
    limits: together(shared, limitsOf(rule.limits, [...path, 'limits'])),
  }
}

/** A rule's own bounds replace those of the whole policy; what is hidden or read-only adds up. */
function together(shared: PolicyLimits, own: PolicyLimits): PolicyLimits {
  const lists = (['hidden', 'readOnly'] as const).flatMap(key => {
    const both = [...(shared[key] ?? []), ...(own[key] ?? [])]
    return both.length === 0 ? [] : [[key, [...new Set(both)]] as const]
  })
  return { ...shared, ...own, ...Object.fromEntries(lists) }
}

function limitsOf(file: FileLimits | undefined, path: Path): PolicyLimits {
  if (file === undefined) return {}
  const { timeout, output, memory, cpu, ...rest } = file
  for (const key of ['writable', 'readOnly', 'hidden'] as const) {
    for (const [i, glob] of (file[key] ?? []).entries()) within([...path, key, i], glob, () => pathGlobs([glob]))
  }
  const given = {
    ...rest,
    timeoutMs: timeout,
    outputBytes: output,
    memoryBytes: memory,
    cpuSeconds: cpu === undefined ? undefined : Math.max(1, Math.ceil(cpu / 1000)),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function compileMatch(file: FileMatch, path: Path, effect: Effect, engine: typeof RE2JS | undefined): RuleMatch {
  const tests = (key: 'anyArg' | 'noArg' | 'actor', sources: readonly PatternSource[] | undefined) => {
    return sources === undefined ? {} : { [key]: anyOf(sources.map((one, i) => within([...path, key, i], one, () => textTest(one, engine)))) }
  }
  return {
    ...programTests(file.program, [...path, 'program'], engine),
    ...argTests(file.args, [...path, 'args'], engine),
    ...tests('anyArg', file.anyArg),
    ...tests('noArg', file.noArg),
    ...tests('actor', file.actor),
    ...(file.cwd === undefined ? {} : { cwd: within([...path, 'cwd'], file.cwd, () => pathGlobs(file.cwd ?? [])) }),
    ...(file.network === undefined ? {} : { network: file.network }),
    unknown: file.unknown ?? (effect === 'deny' || effect === 'ask'),
  }
}

/** A glob with a slash means where a program lies, one without how it is called. */
function programTests(
  sources: readonly PatternSource[] | undefined,
  path: Path,
  engine: typeof RE2JS | undefined,
): Pick<RuleMatch, 'only' | 'names' | 'programs'> {
  if (sources === undefined) return {}
  const [names, programs]: [TextTest[], TextTest[]] = [[], []]
  for (const [i, source] of sources.entries()) {
    within([...path, i], source, () => {
      if (typeof source !== 'string' || source === '*') {
        const test = textTest(source, engine)
        names.push(test)
        programs.push(test)
      } else if (source.includes('/')) programs.push(placeTest(source))
      else names.push(textTest(source, engine))
    })
  }
  const only = onlyNames(sources)
  return { ...(only === undefined ? {} : { only }), names: anyOf(names), programs: anyOf(programs) }
}

/** The last names of all programs that the patterns mean; undefined where they are no list. */
function onlyNames(sources: readonly PatternSource[]): ReadonlySet<string> | undefined {
  const names = sources.map(source => (typeof source === 'string' ? literalGlob(source.slice(source.lastIndexOf('/') + 1)) : undefined))
  return names.every(name => name !== undefined) ? new Set(names) : undefined
}

/** `./x` is of the volume, `/x` of the system: neither may stand for the other. */
function placeTest(glob: string): TextTest {
  const isOfVolume = glob.startsWith('./')
  const test = exactPathGlob(isOfVolume ? glob.slice(1) : glob.startsWith('/') ? glob : `/${glob}`)
  return program => program.startsWith('./') === (isOfVolume || !glob.startsWith('/')) && test(program.replace(/^\./, ''))
}

function argTests(args: FileMatch['args'], path: Path, engine: typeof RE2JS | undefined): Pick<RuleMatch, 'args' | 'line'> {
  if (args === undefined) return {}
  if (typeof args === 'object' && !Array.isArray(args)) return { line: within(path, args, () => textTest(args, engine)) }
  const list: readonly PatternSource[] = typeof args === 'string' ? args.split(/\s+/).filter(word => word !== '') : args
  return { args: list.map((one, i): ArgPattern => within(typeof args === 'string' ? path : [...path, i], one, () => argPattern(one, engine))) }
}

function argPattern(source: PatternSource, engine: typeof RE2JS | undefined): ArgPattern {
  if (source === '**') return ANY_ARGS
  return source === '*' ? ANY_ARG : textTest(source, engine)
}

function anyOf(tests: readonly TextTest[]): TextTest {
  return tests.length === 1 ? tests[0] : text => tests.some(test => test(text))
}

function within<T>(path: Path, source: unknown, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw Misplaced.pattern(path, source, error)
  }
}

function exampleOf(one: FileExample, i: number, names: ReadonlySet<string>, lineOf: (path: Path) => number): Example {
  if (one.rule !== undefined && !names.has(one.rule))
    throw new Misplaced(['examples', i, 'rule'], `there is no rule ${JSON.stringify(one.rule)}`, 'Write the name of a rule of this policy.')
  return {
    line: lineOf(['examples', i]),
    run: one.run,
    cwd: one.cwd ?? '/',
    actor: one.actor ?? 'agent',
    network: one.network ?? false,
    expect: effectOf(one.expect),
    ...(one.rule === undefined ? {} : { rule: one.rule }),
  }
}
