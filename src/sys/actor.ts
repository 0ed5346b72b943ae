import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { limits } from './limits.js'

/**
 * What a commit says of who made it: CAIRN_ACTOR as that process was started with it, else the name of its user.
 * @param own instead of the name, for processes of this process's user
 */
export function actorOf(uid: number, pid: number, own?: string): string {
  return environmentOf(pid) ?? (uid === process.getuid?.() ? own : undefined) ?? userName(uid)
}

/** The same of this process. */
export function ownActor(): string {
  const given = process.env['CAIRN_ACTOR']
  if (given !== undefined && given !== '') return given
  try {
    return userInfo().username
  } catch {
    return userName(process.getuid?.() ?? 0)
  }
}

/** Whether something can be the name of an actor: it stands in lines of logs, and in every entry of the audit. */
export function isActor(value: unknown): value is string {
  return typeof value === 'string' && value.length <= limits.actorCharacters && /^[^\p{Cc}\u2028\u2029]+$/u.test(value)
}

/** Of other users only root may know; a process of another namespace has no number here. */
function environmentOf(pid: number): string | undefined {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const actor = variables.find(variable => variable.startsWith('CAIRN_ACTOR='))?.slice('CAIRN_ACTOR='.length)
    return isActor(actor) ? actor : undefined
  } catch {
    return undefined
  }
}

function userName(uid: number): string {
  try {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , id] = line.split(':')
      if (Number(id) === uid && name !== '') return name
    }
  } catch {
    // No such file where users are kept elsewhere.
  }
  return `uid ${uid}`
}
