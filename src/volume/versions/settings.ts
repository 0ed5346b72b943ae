import { MAX_KEY_BYTES, settingKey } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { Tree } from '../../tree/tree.js'

/**
 * What is kept of the versions of each path. `thin`: all of the last hour, the last of each hour for a day, the last of each day for a month.
 * `count`: the newest so many. `age`: all that ended less than so long ago.
 */
export type Keep = { keep: 'thin' } | { keep: 'all' } | { keep: 'count'; count: number } | { keep: 'age'; ageMs: number }

export type Retention = Keep & {
  /** Globs of files that get no versions, beside `*-wal`, `*-shm` and `*-journal`; without a slash they mean the name alone. */
  exclude: string[]
}

const NAME = 'retention'
const K = Buffer.alloc(MAX_KEY_BYTES)

export const defaultRetention: Retention = { keep: 'thin', exclude: [] }

export function readRetention(history: Tree): Retention {
  return (readSetting(history, NAME) as Retention | undefined) ?? defaultRetention
}

export function readSetting(history: Tree, name: string): unknown {
  if (!history.get(K, settingKey(K, name))) return undefined
  const { vb, vp, vl } = history
  return JSON.parse(Buffer.from(vb.subarray(vp, vp + vl)).toString('utf8'))
}

/** Key and value of a setting, for a batch. */
export function settingRecord(name: string, value: unknown): { key: Buffer; value: Buffer } {
  const key = Buffer.from(K.subarray(0, settingKey(K, name)))
  return { key, value: Buffer.from(JSON.stringify(value), 'utf8') }
}

/** @throws CairnError ERR_RETENTION for what makes no sense */
export function retentionRecord(retention: Retention): { key: Buffer; value: Buffer } {
  checkRetention(retention)
  const record = settingRecord(NAME, retention)
  if (record.value.length > limits.valueBytes) throw wrong('These globs are too long together.', 'Use fewer or shorter ones: about two thousand bytes in all.')
  return record
}

function checkRetention(r: Retention): void {
  if (r.keep === 'count' && (!Number.isSafeInteger(r.count) || r.count < 0)) throw wrong(`'${r.count}' versions cannot be kept.`, 'Give a whole number.')
  if (r.keep === 'age' && !(Number.isFinite(r.ageMs) && r.ageMs >= 0)) throw wrong('Versions cannot be kept that long.', 'Give a time such as 30d.')
  if (!['thin', 'all', 'count', 'age'].includes(r.keep)) throw wrong(`There is no retention '${r.keep}'.`, 'Use thin, all, count or age.')
  if (r.exclude.length > limits.versionGlobs) throw wrong(`${r.exclude.length} globs are too many.`, `Use at most ${limits.versionGlobs}.`)
  for (const glob of r.exclude) {
    if (glob === '' || glob.includes('\0') || Buffer.byteLength(glob) > limits.versionGlobBytes)
      throw wrong(`'${glob.slice(0, 80)}' is no glob.`, `Use 1 to ${limits.versionGlobBytes} bytes.`)
  }
}

function wrong(problem: string, remedy: string): CairnError {
  return new CairnError('ERR_RETENTION', problem, remedy, { exitCode: 2 })
}
