import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 20
const PATIENCE_MS = 5000

/** True while a process of that id runs; a zombie does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Sends a signal and waits until all of them are gone. */
export async function end(pids: readonly number[], signal: NodeJS.Signals): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It is gone already.
    }
  }
  for (let waited = 0; pids.some(isAlive) && waited < PATIENCE_MS; waited += POLL_MS) await pause(POLL_MS)
}

/** Who serves a home, by what its server says. */
export async function serversOf(home: string): Promise<number[]> {
  const { Cairn } = await import('../sdk/cairn.js')
  const cairn = await Cairn.open({ home })
  try {
    const { server } = await cairn.status()
    return [server.supervisorPid, server.pid].filter((pid): pid is number => pid !== undefined)
  } finally {
    await cairn.close()
  }
}

/** Unmounts all of a throw-away home, ends its server, and removes `folder` when it is given. */
export async function cleanUp(home: string, folder: string | undefined): Promise<void> {
  const { Cairn } = await import('../sdk/cairn.js')
  try {
    const cairn = await Cairn.open({ home })
    const { server } = await cairn.status()
    for (const mount of server.mounts) await cairn.unmount(mount.mountpoint, { force: true })
    const pids = [server.supervisorPid, server.pid].filter((pid): pid is number => pid !== undefined)
    await cairn.close()
    await end(pids, 'SIGTERM')
    await end(pids.filter(isAlive), 'SIGKILL')
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
