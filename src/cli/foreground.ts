import { createReadStream, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { cairnMounts } from '../sdk/mount-table.js'
import type { MountInfo } from '../sdk/types.js'
import { homePaths } from '../server/home.js'
import type { Context } from './context.js'

const EVERY_MS = 250

/** Follows the server's log on stderr until Ctrl-C, SIGTERM or somebody else's unmount; then unmounts. */
export async function stay(context: Context, mount: MountInfo): Promise<number> {
  const cairn = await context.cairn()
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const log = homePaths(cairn.home).log
  let at = sizeOf(log)
  try {
    while (!stop.signal.aborted && cairnMounts().some(one => one.path === mount.mountpoint)) {
      at = await pass(log, at, context)
      await pause(EVERY_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
    await cairn.unmount(mount.mountpoint)
    await pass(log, at, context)
    if (!context.json) context.out.note(`Unmounted ${mount.mountpoint}.`)
    return 0
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Copies what was added to the log; returns where it ends. */
async function pass(log: string, from: number, context: Context): Promise<number> {
  const end = sizeOf(log)
  if (end <= from) return end
  for await (const chunk of createReadStream(log, { start: from, end: end - 1 })) context.streams.stderr.write(chunk)
  return end
}
