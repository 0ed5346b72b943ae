import { openSync, readdirSync, readFileSync } from 'node:fs'
import { ifThere } from '../sys/index.js'

type Given = ('inherit' | 'ignore' | 'pipe' | number)[]

/** As fdinfo writes it. */
const CLOSED_ON_EXEC = 0o2000000
/** Each descriptor of this process that was looked at, and whether a child would inherit it. */
const looked = new Map<number, boolean>()
let nothing: number | undefined

/**
 * The descriptors of a child, and nothing behind those that it would inherit beside them: what started this program may have left it a folder or a socket of
 * the host, and a child that has it is in no sandbox. Cost: a listing of this process's descriptors, and one file of each that is new.
 */
export function withoutOthers(given: Given): Given {
  const others = inherited().filter(fd => fd >= given.length)
  if (others.length === 0) return given
  nothing ??= openSync('/dev/null', 'r+')
  const all: Given = [...given]
  // What is ignored from 3 on is left as it is.
  for (let fd = given.length; fd <= Math.max(...others); fd++) all.push(others.includes(fd) ? nothing : 'ignore')
  return all
}

function inherited(): number[] {
  const all = (ifThere(() => readdirSync('/proc/self/fd')) ?? []).map(Number)
  for (const fd of all) if (!looked.has(fd)) looked.set(fd, isInherited(fd))
  return all.filter(fd => looked.get(fd) === true)
}

/** The descriptor of the listing itself is gone by now. */
function isInherited(fd: number): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(ifThere(() => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? '')?.[1]
  return flags !== undefined && (Number.parseInt(flags, 8) & CLOSED_ON_EXEC) === 0
}
