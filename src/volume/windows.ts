import { getIno, INO_BYTES, inodeKey, PREFIX_BYTES, Tag } from '../codec/index.js'
import type { Tree } from '../tree/tree.js'

/**
 * Commits and versions made after `fromMs` and not after `toMs` are in the history tree but not in the volume's history: it was forked
 * from a state at `fromMs`, at `toMs`, and its history tree is what the other volume had by then.
 */
export interface HiddenWindow {
  readonly fromMs: number
  readonly toMs: number
}

/** The windows of a history tree, in order, those that touch as one. */
export function windowsIn(history: Tree): HiddenWindow[] {
  const found: HiddenWindow[] = []
  const cursor = history.cursor()
  const K = Buffer.from([Tag.hidden])
  let more = cursor.seek(K, 1)
  while (more && cursor.buf[cursor.kp] === Tag.hidden) {
    found.push({ fromMs: getIno(cursor.buf, cursor.vp), toMs: getIno(cursor.buf, cursor.kp + 1) })
    more = cursor.next()
  }
  return merged(found)
}

function merged(windows: readonly HiddenWindow[]): HiddenWindow[] {
  const result: HiddenWindow[] = []
  for (const window of windows) {
    let { fromMs } = window
    while (result.length > 0 && result[result.length - 1].toMs >= fromMs) fromMs = Math.min(fromMs, result.pop()?.fromMs ?? fromMs)
    result.push({ fromMs, toMs: window.toMs })
  }
  return result
}

/** The window that hides a moment; undefined when none does. */
export function windowAt(windows: readonly HiddenWindow[], timeMs: number): HiddenWindow | undefined {
  return windows.find(({ fromMs, toMs }) => fromMs < timeMs && timeMs <= toMs)
}

/** Its record in the history tree. */
export function windowItem({ fromMs, toMs }: HiddenWindow): { key: Buffer; value: Buffer } {
  const key = Buffer.alloc(PREFIX_BYTES)
  inodeKey(key, Tag.hidden, toMs)
  const from = Buffer.alloc(PREFIX_BYTES)
  inodeKey(from, 0, fromMs)
  return { key, value: from.subarray(PREFIX_BYTES - INO_BYTES) }
}
