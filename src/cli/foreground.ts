import { createReadStream, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { cairnMounts } from '../sdk/mount-table.js'
import type { MountInfo } from '../sdk/types.js'
import { homePaths } from '../server/home.js'
import type { Context } from './context.js'

const EVERY_MS = 250

/** Asked for the end by Ctrl-C or SIGTERM. Made before the mount is, so that none of them leaves one behind. */
export class EndRequest {
  private readonly controller = new AbortController()
  private readonly onSignal = () => this.controller.abort()

  constructor() {
    process.on('SIGINT', this.onSignal)
    process.on('SIGTERM', this.onSignal)
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  release(): void {
    process.off('SIGINT', this.onSignal)
    process.off('SIGTERM', this.onSignal)
  }
}

/** Follows the server's log on stderr until the end is asked for, or somebody else unmounts; then unmounts. */
export async function stay(context: Context, mount: MountInfo, end: EndRequest): Promise<number> {
  const cairn = await context.cairn()
  const log = homePaths(cairn.home).log
  let at = sizeOf(log)
  while (!end.signal.aborted && cairnMounts().some(one => one.path === mount.mountpoint)) {
    at = await pass(log, at, context)
    await pause(EVERY_MS, undefined, { signal: end.signal }).catch(() => {})
  }
  await cairn.unmount(mount.mountpoint)
  await pass(log, at, context)
  if (!context.json) context.out.note(`Unmounted ${mount.mountpoint}.`)
  return 0
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
