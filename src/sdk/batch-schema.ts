import { z } from 'zod'
import { type BatchOp, contentOf } from '../node/index.js'

const path = z
  .string()
  .min(1, 'is empty')
  .refine(text => !text.includes('\0'), 'contains a NUL character')
const bytes = z.instanceof(Uint8Array).optional()
const text = z.string().optional()
const base64 = z.base64('is not base64').optional()
/** A number, or octal text as chmod takes it. */
const mode = z.union([
  z.number().int().min(0).max(0o7777),
  z
    .string()
    .regex(/^[0-7]{1,4}$/, 'is not an octal mode')
    .transform(octal => Number.parseInt(octal, 8)),
])
const id = z.number().int().min(0).max(0xffffffff)
const precondition = {
  ifAbsent: z.boolean().optional(),
  ifMatch: z
    .strictObject({
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex')
        .optional(),
      size: z.number().int().min(0).optional(),
      mtimeMs: z.number().optional(),
    })
    .refine(match => Object.keys(match).length > 0, 'names nothing to compare')
    .optional(),
}

function op<T extends z.ZodRawShape, N extends string>(name: N, shape: T) {
  return z.strictObject({ op: z.literal(name), ...shape, ...precondition })
}

const content = { text, base64, bytes }
const schema = z.discriminatedUnion('op', [
  op('put', { path, ...content, mode: mode.optional(), append: z.boolean().optional(), parents: z.boolean().optional() }),
  op('delete', { path, recursive: z.boolean().optional(), force: z.boolean().optional() }),
  op('move', { from: path, to: path }),
  op('copy', { from: path, to: path, recursive: z.boolean().optional() }),
  op('mkdir', { path, parents: z.boolean().optional(), mode: mode.optional() }),
  op('link', { from: path, to: path }),
  op('symlink', { target: path, path }),
  op('chmod', { path, mode }),
  op('chown', { path, uid: id, gid: id }),
  op('truncate', { path, size: z.number().int().min(0) }),
  op('setxattr', { path, name: z.string().min(1), ...content }),
  op('removexattr', { path, name: z.string().min(1) }),
  op('restore', { path, ref: z.string().min(1) }),
])
const operations = schema.options.map(option => option.shape.op.value)

/** The operation with its content as bytes, or what is wrong with it, as the end of a sentence. */
export function checkOp(value: unknown): { op: BatchOp } | { problem: string } {
  const result = schema.safeParse(value)
  if (!result.success) return { problem: problemOf(result.error.issues[0], value) }
  const found: BatchOp = result.data
  if (found.op !== 'put' && found.op !== 'setxattr') return { op: found }
  const given = (['text', 'base64', 'bytes'] as const).filter(key => found[key] !== undefined)
  if (given.length !== 1) return { problem: given.length === 0 ? "it has no 'text' or 'base64'" : `it has both '${given[0]}' and '${given[1]}'` }
  const { text: _text, base64: _base64, ...rest } = found
  return { op: { ...rest, bytes: contentOf(found) } }
}

function problemOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object'
  const where = `'${issue.path.join('.')}'`
  switch (issue.code) {
    case 'invalid_union':
      return where === "'op'" ? `'op' is not one of ${operations.join(', ')}` : `${where} is not valid`
    case 'unrecognized_keys':
      return `it has '${issue.keys[0]}', which ${(value as { op?: string }).op} does not know`
    case 'invalid_type':
      return at(value, issue.path) === undefined ? `${where} is missing` : `${where} is not a ${issue.expected}`
    default:
      return `${where} ${/^(is|names|contains) /.test(issue.message) ? issue.message : 'is not valid'}`
  }
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)
}
