import { S_IFMT } from '../codec/mode.js'
import { usageError } from './errors.js'

const types: Readonly<Record<number, readonly [letter: string, name: string]>> = {
  [0o040000]: ['d', 'directory'],
  [0o100000]: ['-', 'file'],
  [0o120000]: ['l', 'symlink'],
  [0o010000]: ['p', 'fifo'],
  [0o140000]: ['s', 'socket'],
  [0o020000]: ['c', 'character device'],
  [0o060000]: ['b', 'block device'],
}

/** `file`, `directory`, `symlink` … of a mode. */
export function typeName(mode: number): string {
  return types[mode & S_IFMT]?.[1] ?? 'unknown'
}

/** `drwxr-xr-x`. */
export function modeString(mode: number): string {
  const letters = [types[mode & S_IFMT]?.[0] ?? '?']
  for (const [shift, special, mark] of [
    [6, 0o4000, 's'],
    [3, 0o2000, 's'],
    [0, 0o1000, 't'],
  ] as const) {
    const bits = (mode >> shift) & 7
    const set = (mode & special) !== 0
    letters.push(bits & 4 ? 'r' : '-', bits & 2 ? 'w' : '-', bits & 1 ? (set ? mark : 'x') : set ? mark.toUpperCase() : '-')
  }
  return letters.join('')
}

/** What a mode operand does to a file's mode. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/

/**
 * Reads an octal mode (`644`, `4755`) or a symbolic one (`u+rwX,go-w`, `a=r`, `g=u`), as chmod(1).
 * @throws CairnError ERR_USAGE
 */
export function parseMode(text: string, umask = 0o022): ModeChange {
  if (/^[0-7]{1,4}$/.test(text)) {
    const bits = Number.parseInt(text, 8)
    // As GNU chmod: octal of less than five digits leaves setuid and setgid of directories alone unless it sets them.
    return (mode, isDirectory) => (isDirectory ? bits | (mode & 0o6000) : bits)
  }
  const changes = text.split(',').map(clause => {
    const match = CLAUSE.exec(clause)
    if (match === null) throw usageError(`${JSON.stringify(text)} is not a mode.`, 'Write an octal mode such as 644, or a symbolic one such as u+rwX,go-w.')
    return clauseChange(match[1], match[2], umask)
  })
  return (mode, isDirectory) => changes.reduce((value, change) => change(value, isDirectory), mode & 0o7777)
}

function clauseChange(who: string, actions: string, umask: number): ModeChange {
  const all = who === '' || who.includes('a')
  const classes = all ? ['u', 'g', 'o'] : [...who]
  const mask = who === '' ? ~umask : ~0
  const steps = [...actions.matchAll(/([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g)]
  return (mode, isDirectory) => {
    let value = mode
    for (const [, sign, what] of steps) {
      const bits = bitsOf(what, classes, value, isDirectory) & mask
      const covered = classes.reduce((sum, one) => sum | coverage(one), 0)
      if (sign === '+') value |= bits
      else if (sign === '-') value &= ~bits
      else value = (value & ~(isDirectory ? covered & ~0o6000 : covered)) | bits
    }
    return value
  }
}

const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

/** Every bit that belongs to a class, with its special bit. */
function coverage(one: string): number {
  return (7 << shifts[one]) | (one === 'u' ? 0o4000 : one === 'g' ? 0o2000 : 0o1000)
}

function bitsOf(what: string, classes: readonly string[], mode: number, isDirectory: boolean): number {
  if (/^[ugo]$/.test(what)) {
    const copied = (mode >> shifts[what]) & 7
    return classes.reduce((sum, one) => sum | (copied << shifts[one]), 0)
  }
  const execute = what.includes('x') || (what.includes('X') && (isDirectory || (mode & 0o111) !== 0))
  const plain = (what.includes('r') ? 4 : 0) | (what.includes('w') ? 2 : 0) | (execute ? 1 : 0)
  let bits = classes.reduce((sum, one) => sum | (plain << shifts[one]), 0)
  if (what.includes('s')) bits |= (classes.includes('u') ? 0o4000 : 0) | (classes.includes('g') ? 0o2000 : 0)
  if (what.includes('t')) bits |= 0o1000
  return bits
}
