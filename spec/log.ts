import type { Setting } from './rules.js'
import { epochs, type Head, type LogRecord, type State } from './state.js'

export const logLimit = 10
const perEpochLimit = 8

/** Length of the array that stands for the prefix `log/`. */
export function logSlots(setting: Setting): number {
  return setting.bad.has('log numbers per epoch') ? perEpochLimit * epochs : logLimit
}

/** Where a log number stands: the same place for all epochs, unless the bad rule gives each its own. */
export function slotOf(setting: Setting, epoch: number, number: number): number {
  return setting.bad.has('log numbers per epoch') ? epoch * perEpochLimit + number : number
}

/** The records that follow a head, up to the first free number. */
export function chain(setting: Setting, state: State, watermark: number, head: Head = state.head): LogRecord[] {
  if (setting.bad.has('log numbers per epoch')) return chainPerEpoch(state, head)
  const records: LogRecord[] = []
  for (let n = watermark; ; n++) {
    const record = state.log[n]
    if (record === undefined) return records
    records.push(record)
  }
}

/** With numbers per epoch a fold covers all earlier epochs, and its own up to the watermark. */
function chainPerEpoch(state: State, head: Head): LogRecord[] {
  const records: LogRecord[] = []
  for (let epoch = head.markEpoch; epoch <= head.epoch; epoch++) {
    for (let n = epoch === head.markEpoch ? head.watermark : 0; n < perEpochLimit; n++) {
      const record = state.log[epoch * perEpochLimit + n]
      if (record === undefined) break
      records.push(record)
    }
  }
  return records
}

export function commitsIn(records: readonly LogRecord[]): number {
  let commits = 0
  for (const record of records) if (record.commit >= 0) commits |= 1 << record.commit
  return commits
}

export function packsIn(records: readonly LogRecord[]): number {
  let packs = 0
  for (const record of records) packs |= record.packs
  return packs
}
