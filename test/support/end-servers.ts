import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** SIGKILL to the servers of a home, also to one that a supervisor started at the last moment and told nobody of. Its supervisor must be dead. */
export async function endServers(home: string): Promise<void> {
  for (let found = serversOf(home); found.length > 0; found = serversOf(home)) {
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has just ended.
      }
    }
    await pause(10)
  }
}

function serversOf(home: string): number[] {
  return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) && isServer(name, home) ? [Number(name)] : []))
}

/** What has ended and was not collected yet has no command line. */
function isServer(pid: string, home: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words[2] === home && /\bserver[/-]main\.js$/.test(words[1] ?? '')
  } catch {
    return false
  }
}
