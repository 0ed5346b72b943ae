import { z } from 'zod'
import { limits } from '../sys/index.js'
import { parseSize, parseSpan } from '../sys/units.js'

/** What a key of the policy wants, as errors say it. Nested keys by their last name: a name means one thing wherever it stands. */
export const wants: Readonly<Record<string, string>> = {
  version: '1',
  default: 'allow, allow-with-checkpoint, ask or deny',
  unknown: 'allow, allow-with-checkpoint, ask or deny; in a match true or false',
  ask: 'a map with timeout and webhook',
  webhook: 'an address that begins with https:// or http://',
  limits: 'a map with timeout, output, memory, cpu, processes, writable, readOnly, hidden, network and control',
  rules: `a list of at most ${limits.policyRules} rules, each with match and effect`,
  name: 'a name of letters, digits, spaces and ._-, at most 80',
  match: 'a map with program, args, anyArg, noArg, cwd, network, actor and unknown',
  program: 'a glob, { regex: … } or a list of them',
  args: 'globs with spaces between them, a list with one glob for each argument, or { regex: … }',
  anyArg: 'a glob, { regex: … } or a list of them',
  noArg: 'a glob, { regex: … } or a list of them',
  cwd: 'a glob of paths of the volume or a list of them; in an example a path that begins with /',
  actor: 'a glob, { regex: … } or a list of them; in an example a name',
  network: 'true or false; in limits none or allow',
  effect: 'allow, allow-with-checkpoint, ask or deny',
  reason: 'a sentence',
  timeout: 'a time such as 500ms, 30s or 5m',
  output: 'a size such as 64K or 1M',
  memory: 'a size such as 512M or 2G',
  cpu: 'a time such as 30s',
  processes: 'a whole number from 1 on',
  writable: 'a list of globs of paths',
  readOnly: 'a list of globs of paths',
  hidden: 'a list of globs of paths',
  control: 'true or false',
  examples: `a list of at most ${limits.policyExamples} examples, each with run and expect`,
  run: 'a shell text, or a list of a program and its arguments',
  expect: 'allow, allow-with-checkpoint, ask or deny',
  rule: 'the name of a rule',
  regex: 'a regular expression as RE2 takes it',
}

/** A timer takes no longer ones. */
const LONGEST_MS = 2 ** 31 - 1

function parseTime(text: string): number | undefined {
  const ms = parseSpan(text)
  return ms !== undefined && ms <= LONGEST_MS ? Math.round(ms) : undefined
}

function measured(parse: (text: string) => number | undefined) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const parsed = parse(String(value))
    if (parsed !== undefined && parsed > 0) return parsed
    context.addIssue({ code: 'custom', message: 'not understood' })
    return z.NEVER
  })
}

function oneOrMore<T extends z.ZodType>(one: T) {
  return z.union([one, z.array(one).min(1).max(200)]).transform(value => (Array.isArray(value) ? value : [value]) as z.output<T>[])
}

const effect = z.enum(['allow', 'allow-with-checkpoint', 'ask', 'deny'])
const pattern = z.union([z.string(), z.strictObject({ regex: z.string().min(1) })])
const globs = z.array(z.string().min(1).max(limits.policyPatternChars)).max(200)
const sentence = z.string().min(1).max(500)
const name = z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,79}$/u)

const bounds = z.strictObject({
  timeout: measured(parseTime).optional(),
  output: measured(parseSize).optional(),
  memory: measured(parseSize).optional(),
  cpu: measured(parseTime).optional(),
  processes: z.int().min(1).max(1_000_000).optional(),
  writable: globs.optional(),
  readOnly: globs.optional(),
  hidden: globs.optional(),
  network: z.enum(['none', 'allow']).optional(),
  control: z.boolean().optional(),
})

const match = z.strictObject({
  program: oneOrMore(pattern).optional(),
  args: z.union([z.string(), z.array(pattern).max(200), z.strictObject({ regex: z.string().min(1) })]).optional(),
  anyArg: oneOrMore(pattern).optional(),
  noArg: oneOrMore(pattern).optional(),
  cwd: oneOrMore(z.string().min(1)).optional(),
  network: z.boolean().optional(),
  actor: oneOrMore(pattern).optional(),
  unknown: z.boolean().optional(),
})

const rule = z.strictObject({
  name: name.optional(),
  match: match.optional(),
  effect,
  reason: sentence.optional(),
  limits: bounds.optional(),
})

const example = z.strictObject({
  run: z.union([z.string().min(1), z.array(z.string()).min(1)]),
  cwd: z.string().startsWith('/').optional(),
  actor: z.string().min(1).optional(),
  network: z.boolean().optional(),
  expect: effect,
  rule: name.optional(),
})

/** The policy file as it is written (docs/policy.md). */
export const policySchema = z.strictObject({
  version: z.literal(1),
  default: effect,
  unknown: effect.optional(),
  ask: z
    .strictObject({
      timeout: measured(parseTime).optional(),
      webhook: z
        .string()
        .regex(/^https?:\/\/[^\s@]+$/)
        .optional(),
    })
    .optional(),
  limits: bounds.optional(),
  rules: z.array(rule).max(limits.policyRules).optional(),
  examples: z.array(example).max(limits.policyExamples).optional(),
})

export type PolicyFile = z.output<typeof policySchema>
export type FileRule = NonNullable<PolicyFile['rules']>[number]
export type FileMatch = NonNullable<FileRule['match']>
export type FileLimits = z.output<typeof bounds>
export type FileEffect = z.output<typeof effect>
export type FileExample = NonNullable<PolicyFile['examples']>[number]
