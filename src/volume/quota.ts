import { CairnError, EDQUOT } from '../errors.js'
import type { Tree } from '../tree/tree.js'
import type { Usage } from './session.js'
import { readSetting, settingRecord } from './versions/settings.js'

/** What a volume may hold now, and beside it what its history may. Without a member there is no limit. */
export interface Quota {
  /** Of content that is allocated. */
  bytes?: number
  /** And directories, and whatever else has an inode. */
  files?: number
  /** Of one file. */
  fileSize?: number
  /** What versions of files hold, as it is stored. No change fails for it: the oldest versions go, in the background. */
  history?: number
}

const NAME = 'quota'

export function readQuota(history: Tree): Quota {
  return (readSetting(history, NAME) as Quota | undefined) ?? {}
}

/** @throws CairnError ERR_QUOTA for what is no number */
export function quotaRecord({ bytes, files, fileSize, history, ...others }: Quota): { key: Buffer; value: Buffer } {
  const given = Object.entries({ bytes, files, fileSize, history }).filter((entry): entry is [string, number] => entry[1] !== undefined)
  // Whoever writes one wrongly would take the limits away.
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    throw new CairnError('ERR_QUOTA', `There is no limit ${unknown}.`, 'There are bytes, files, fileSize and history.', { exitCode: 2 })
  for (const [name, limit] of given) {
    if (!Number.isSafeInteger(limit) || limit < 0)
      throw new CairnError('ERR_QUOTA', `'${limit}' is no limit for ${name}.`, 'Give a whole number of bytes or files.', { exitCode: 2 })
  }
  return settingRecord(NAME, Object.fromEntries(given))
}

/** 0, or -EDQUOT for a change that takes more where the limit is reached. What takes less, or nothing, always goes. */
export function checkQuota(quota: Quota, usage: Readonly<Usage>, inodes: number, bytes: number): number {
  if (bytes > 0 && quota.bytes !== undefined && usage.bytes + bytes > quota.bytes) return -EDQUOT
  if (inodes > 0 && quota.files !== undefined && usage.inodes + inodes > quota.files) return -EDQUOT
  return 0
}

/** What is left for content, as `df` shows it: of the disk, and of the quota. */
export function freeBytes(quota: Quota | undefined, usage: Readonly<Usage>, ofDisk: number): number {
  return quota?.bytes === undefined ? ofDisk : Math.max(0, Math.min(ofDisk, quota.bytes - usage.bytes))
}

/** The same for inodes; `many` where nothing bounds them. */
export function freeInodes(quota: Quota | undefined, usage: Readonly<Usage>, many: number): number {
  return quota?.files === undefined ? many : Math.max(0, quota.files - usage.inodes)
}
