import { posix } from 'node:path'
import { encodeAudit } from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import type { HistoryItem } from '../incarnations.js'
import { entryAt, entryItems, entryKeys } from './entries.js'
import { type AuditEvent, eventIn } from './event.js'
import { firstKept, readAuditState } from './state.js'

/** Entries redacted with one entry that says so: its ranges fit into the payload. */
export const REDACTED_AT_ONCE = 256
/** Entries that say what the chain itself is; none names a path. */
const ownKinds: ReadonlySet<string> = new Set(['begin', 'gap', 'purge'])

/** Sequences of entries that tell of a path or of what is below it; undefined now and then, so that others have their turn. */
export function* entriesAbout(history: () => BTree, path: string): Generator<number | undefined> {
  const state = readAuditState(history())
  if (state === undefined) return
  for (let sequence = firstKept(state); sequence <= state.sequence; sequence++) {
    const payload = entryAt(history(), sequence)?.payload
    const event = payload && eventIn(payload)
    if (event !== undefined && !ownKinds.has(event.kind) && tellsOf(event, path)) yield sequence
    else if (sequence % REDACTED_AT_ONCE === 0) yield undefined
  }
}

/** Takes out what entries say; their place in the chain, their time and their hashes stay. */
export function redactionItems(history: BTree, sequences: readonly number[]): HistoryItem[] {
  return sequences.flatMap(sequence => {
    const entry = entryAt(history, sequence)
    if (entry === undefined) return []
    const { payload: _payload, ...rest } = entry
    const [head] = entryItems(sequence, encodeAudit(rest))
    const others = entryKeys(history, sequence).filter(key => !key.equals(head.key))
    return [head, ...others.map(key => ({ key }))]
  })
}

/** Ascending numbers as pairs of first and last. */
export function rangesOf(sequences: readonly number[]): Array<[number, number]> {
  const ranges: Array<[number, number]> = []
  for (const one of sequences) {
    const last = ranges.at(-1)
    if (last?.[1] === one - 1) last[1] = one
    else ranges.push([one, one])
  }
  return ranges
}

/** Whether anything in it is the path, or one below; words of commands are read from where they ran. */
export function tellsOf(event: AuditEvent, path: string): boolean {
  const cwd = posix.resolve('/', event.cwd ?? '/')
  const isIt = (absolute: string): boolean => absolute === path || absolute.startsWith(`${path}/`)
  return stringsIn(event).some(text => {
    for (let at = text.indexOf(path); at >= 0; at = text.indexOf(path, at + 1)) if (!/[\p{L}\p{N}._-]/u.test(text.charAt(at + path.length))) return true
    return text.split(/[\s'"`;|&()<>=,:]+/).some(word => word !== '' && isIt(posix.resolve(cwd, word)))
  })
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => [key, ...stringsIn(one)])
}
