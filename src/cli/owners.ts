import { readFileSync } from 'node:fs'
import { usageError } from './errors.js'

/** Names of users or groups of the host by number, from the classic files; numbers without a name show as they are. */
function names(file: string): Map<number, string> {
  const byId = new Map<number, string>()
  try {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [name, , id] = line.split(':')
      if (id !== undefined && !byId.has(Number(id))) byId.set(Number(id), name)
    }
  } catch {
    // Without the file there are only numbers.
  }
  return byId
}

let users: Map<number, string> | undefined
let groups: Map<number, string> | undefined

export function userName(uid: number): string {
  users ??= names('/etc/passwd')
  return users.get(uid) ?? String(uid)
}

export function groupName(gid: number): string {
  groups ??= names('/etc/group')
  return groups.get(gid) ?? String(gid)
}

function idOf(text: string, file: string, kind: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  for (const [id, name] of names(file)) if (name === text) return id
  throw usageError(`There is no ${kind} ${JSON.stringify(text)} on this machine.`, 'Name one that exists, or write a number.')
}

/** Reads `USER`, `USER:GROUP`, `:GROUP`; what is not named is -1, which changes nothing. */
export function parseOwner(text: string): { uid: number; gid: number } {
  const [user, group, ...rest] = text.split(':')
  if (rest.length > 0 || (user === '' && (group ?? '') === ''))
    throw usageError(`${JSON.stringify(text)} is not an owner.`, 'Write USER, USER:GROUP or :GROUP.')
  return {
    uid: user === '' ? -1 : idOf(user, '/etc/passwd', 'user'),
    gid: group === undefined || group === '' ? -1 : idOf(group, '/etc/group', 'group'),
  }
}
