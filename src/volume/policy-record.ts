import { createHash } from 'node:crypto'
import { CairnError, CorruptError } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import type { HistoryItem } from './incarnations.js'
import { readSetting, settingRecord } from './versions/settings.js'

/** The policy of a volume as its history keeps it: out of the tree, so that what works in the volume does not reach it, and restore does not take it back. */
export interface StoredPolicy {
  text: string
  /** Another text has another one. */
  revision: string
  setMs: number
  /** Who set it. */
  by: string
}

/** Without the text: that is in parts of its own, since a value of a page holds 2 KiB. */
interface Noted extends Omit<StoredPolicy, 'text'> {
  parts: number
}

const NAME = 'policy'
/** At first; halved while a part is too long as JSON. */
const PART_CHARS = 1800

function partName(part: number): string {
  return `${NAME}/${part}`
}

/** Undefined for a volume that has none. @throws CorruptError */
export function readStoredPolicy(history: Tree): StoredPolicy | undefined {
  const noted = readNoted(history)
  if (noted === undefined) return undefined
  let text = ''
  for (let part = 0; part < noted.parts; part++) text += readSetting(history, partName(part))
  const { parts: _, ...rest } = noted
  if (revisionOf(text) !== noted.revision) throw new CorruptError('the policy of the volume', 'its parts do not belong together')
  return { ...rest, text }
}

/** Of the stored policy; undefined for none. */
export function policyRevision(history: Tree): string | undefined {
  return readNoted(history)?.revision
}

function readNoted(history: Tree): Noted | undefined {
  return (readSetting(history, NAME) ?? undefined) as Noted | undefined
}

export function revisionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/**
 * The records that make it the policy of a volume, or take it away.
 * @throws CairnError ERR_POLICY_LARGE
 */
export function policyItems(history: Tree, policy: Omit<StoredPolicy, 'revision'> | undefined): HistoryItem[] {
  const text = policy?.text ?? ''
  if (Buffer.byteLength(text) > limits.policyBytes)
    throw new CairnError('ERR_POLICY_LARGE', `The policy has ${Buffer.byteLength(text)} bytes; the limit is ${limits.policyBytes}.`, 'Use fewer rules.')
  const parts = partsOf(text)
  const items: HistoryItem[] = parts.map((part, i) => settingRecord(partName(i), part))
  for (let part = parts.length; part < (readNoted(history)?.parts ?? 0); part++) items.push({ key: settingRecord(partName(part), '').key })
  if (policy === undefined) items.push({ key: settingRecord(NAME, null).key })
  else items.push(settingRecord(NAME, { parts: parts.length, revision: revisionOf(text), setMs: policy.setMs, by: policy.by } satisfies Noted))
  return items
}

function partsOf(text: string): string[] {
  const parts: string[] = []
  for (let at = 0; at < text.length; ) {
    let chars = PART_CHARS
    while (Buffer.byteLength(JSON.stringify(text.slice(at, at + chars))) > limits.valueBytes) chars >>= 1
    parts.push(text.slice(at, at + chars))
    at += chars
  }
  return parts
}
