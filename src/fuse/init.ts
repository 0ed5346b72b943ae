import { limits } from '../sys/index.js'
import type { Exchange } from './exchange.js'
import { INIT_OUT_BYTES, InitFlag, InitFlag2, KERNEL_MAJOR, KERNEL_MINOR, REPLY_WORD } from './protocol.js'

/** Requests that the kernel may have under way in the background, and when it calls that congested. */
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48
const PAGE_BYTES = 4096

/**
 * No WRITEBACK_CACHE: it served a stale size after a change from elsewhere, and small files were slower. No POSIX_LOCKS and
 * FLOCK_LOCKS: locks stay the kernel's. No DONT_MASK: the kernel applies the umask.
 */
const WANTED =
  InitFlag.asyncRead |
  InitFlag.atomicOTrunc |
  InitFlag.exportSupport |
  InitFlag.bigWrites |
  InitFlag.doReaddirplus |
  InitFlag.readdirplusAuto |
  InitFlag.asyncDio |
  InitFlag.noOpenSupport |
  InitFlag.parallelDirops |
  InitFlag.maxPages |
  InitFlag.cacheSymlinks |
  InitFlag.noOpendirSupport |
  InitFlag.explicitInvalData |
  InitFlag.handleKillprivV2 |
  InitFlag.initExt
const WANTED_2 = InitFlag2.hasResend

/** What the kernel offered and what was taken. */
export interface Negotiated {
  minor: number
  flags: number
  flags2: number
}

/** Answers INIT. The kernel fills `flags2` only when it knows INIT_EXT, and reads ours only when that was answered. */
export function init(x: Exchange): number {
  const w = x.in32
  const minor = w[11]
  const offered = w[13]
  const offered2 = offered & InitFlag.initExt && x.length >= 60 ? w[14] : 0
  const o = x.out32
  o.fill(0, REPLY_WORD, REPLY_WORD + INIT_OUT_BYTES / 4)
  o[REPLY_WORD] = KERNEL_MAJOR
  o[REPLY_WORD + 1] = Math.min(minor, KERNEL_MINOR)
  o[REPLY_WORD + 2] = limits.fuseReadAheadBytes
  o[REPLY_WORD + 3] = (WANTED & offered) >>> 0
  o[REPLY_WORD + 4] = MAX_BACKGROUND | (CONGESTION_THRESHOLD << 16)
  o[REPLY_WORD + 5] = limits.fuseRequestBytes
  o[REPLY_WORD + 6] = 1
  o[REPLY_WORD + 7] = limits.fuseRequestBytes / PAGE_BYTES
  o[REPLY_WORD + 8] = (WANTED_2 & offered2) >>> 0
  x.negotiated = { minor, flags: o[REPLY_WORD + 3], flags2: o[REPLY_WORD + 8] }
  return x.ok(INIT_OUT_BYTES)
}
