import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { CairnError } from '../errors.js'
import { parseAddressOfStore, parseLevel, parseSize, parseSpan, type Settings, settingList } from './config.js'

/** A number as it is, or text that `parse` understands. */
function measured(parse: (text: string) => number | undefined) {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const parsed = parse(String(value))
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: 'not understood' })
    return z.NEVER
  })
}

const schema = z.strictObject({
  home: z.string().min(1).optional(),
  volume: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
    .optional(),
  store: z
    .string()
    .min(1)
    .refine(text => parseAddressOfStore(text) !== undefined)
    .optional(),
  prefix: z.string().optional(),
  readOnly: z.boolean().optional(),
  cacheSize: measured(parseSize).optional(),
  backlogSize: measured(parseSize).optional(),
  metadataTtl: measured(parseSpan).optional(),
  actor: z.string().min(1).optional(),
  keyFile: z.string().min(1).optional(),
  keyCommand: z.string().min(1).optional(),
  auditKeyFile: z.string().min(1).optional(),
  gc: z.boolean().optional(),
  logLevel: z
    .string()
    .refine(text => parseLevel(text) !== undefined)
    .optional(),
})

function broken(file: string, line: number | undefined, what: string, remedy: string): CairnError {
  return new CairnError('ERR_CONFIG', `${file}${line === undefined ? '' : `, line ${line}`}: ${what}.`, remedy, { exitCode: 2 })
}

/**
 * Reads the configuration: YAML with the keys of `Settings`.
 * @throws CairnError ERR_CONFIG naming file and line (exit code 2)
 */
export function parseConfig(text: string, file: string): Partial<Settings> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const error = document.errors[0]
  if (error !== undefined) {
    const what = error.message.split('\n')[0].replace(/ at line \d+, column \d+:?$/, '')
    throw broken(file, lines.linePos(error.pos[0]).line, `not YAML: ${what.replace(/[.:]$/, '')}`, 'Correct that line, or move the file away.')
  }
  const value: unknown = document.toJS() ?? {}
  const result = schema.safeParse(value)
  if (result.success) {
    const { home, keyFile, auditKeyFile, ...rest } = result.data
    // As a shell would, because nothing else expands it here.
    const expanded = (path: string): string => path.replace(/^~(?=\/|$)/, process.env['HOME'] ?? '~')
    const files = { home, keyFile, auditKeyFile }
    const given = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [[name, expanded(path)]]))
    return { ...rest, ...Object.fromEntries(given) } as Partial<Settings>
  }
  const issue = result.error.issues[0]
  const key = String(issue.path[0] ?? ('keys' in issue ? (issue.keys as string[])[0] : ''))
  const known = settingList.find(setting => setting.key === key)
  if (key === '')
    throw broken(file, 1, 'it holds no keys and values', `Write lines such as \`volume: work\`, with the keys ${settingList.map(one => one.key).join(', ')}.`)
  const line = lineOf(document, lines, key)
  if (known === undefined)
    throw broken(file, line, `there is no setting ${JSON.stringify(key)}`, `The settings are ${settingList.map(one => one.key).join(', ')}.`)
  const is = known.isHidden === true ? 'holds what it may not' : `is ${JSON.stringify((value as Record<string, unknown>)[key])}`
  throw broken(file, line, `${key} ${is}`, `Set it to ${known.wants}.`)
}

function lineOf(document: ReturnType<typeof parseDocument>, lines: LineCounter, key: string): number | undefined {
  const items = (document.contents as { items?: Array<{ key?: { value?: unknown; range?: [number, number, number] } }> } | null)?.items
  const range = items?.find(pair => pair.key?.value === key)?.key?.range
  return range === undefined ? undefined : lines.linePos(range[0]).line
}
