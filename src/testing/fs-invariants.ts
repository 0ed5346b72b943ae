import { ATTR_BYTES, Attr, AttrFlag, ContentKind, DIRENT_NAME_AT, decodeAttr, getIno, getU32be, PREFIX_BYTES, Tag } from '../codec/index.js'
import { limits } from '../sys/index.js'
import type { MemorySession } from './memory-session.js'

interface Entry {
  parent: number
  name: string
  ino: number
  type: number
  high: number
  low: number
}

const S_IFDIR = 0o040000

/** What must hold of every state of a volume; the violations, as sentences. */
export function violations(session: MemorySession): string[] {
  const found: string[] = []
  const state = readState(session)
  const { attrs, entries } = state
  const links = new Map<number, number>([[1, 1]])
  for (const entry of entries) {
    links.set(entry.ino, (links.get(entry.ino) ?? 0) + 1)
    checkEntry(session, attrs, entry, found)
  }
  for (const [ino, attr] of attrs) {
    const isDirectory = attr.mode >>> 12 === S_IFDIR >>> 12
    const subdirectories = entries.filter(entry => entry.parent === ino && entry.type === 4).length
    const expected = isDirectory ? (links.has(ino) ? 2 + subdirectories : 0) : (links.get(ino) ?? 0)
    if (attr.nlink !== expected) found.push(`inode ${ino} has nlink ${attr.nlink} and ${expected} links`)
    if ((attr.nlink === 0) !== state.orphans.has(ino))
      found.push(`inode ${ino} has nlink ${attr.nlink} and ${state.orphans.has(ino) ? 'an' : 'no'} orphan record`)
    if (((attr.flags & AttrFlag.xattr) !== 0) !== state.xattrs.has(ino)) found.push(`inode ${ino} has a wrong flag of extended attributes`)
    checkContent(session, state, ino, attr, found)
  }
  for (const ino of [...state.orphans, ...state.xattrs, ...state.small.keys(), ...session.inosWithBlocks()]) {
    if (!attrs.has(ino)) found.push(`inode ${ino} has records and no attributes`)
  }
  let bytes = 0
  for (const attr of attrs.values()) bytes += attr.blocks * 512
  if (session.usage.inodes !== attrs.size) found.push(`usage says ${session.usage.inodes} inodes, there are ${attrs.size}`)
  if (session.usage.bytes !== bytes) found.push(`usage says ${session.usage.bytes} bytes, there are ${bytes}`)
  if (session.pending > 0) found.push(`${session.pending} changes wait in the batch`)
  return found
}

interface State {
  attrs: Map<number, Attr>
  valueBytes: Map<number, number>
  entries: Entry[]
  small: Map<number, number>
  xattrs: Set<number>
  orphans: Set<number>
}

function readState(session: MemorySession): State {
  const state: State = { attrs: new Map(), valueBytes: new Map(), entries: [], small: new Map(), xattrs: new Set(), orphans: new Set() }
  const cursor = session.tree.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.attr]), 1); more; more = cursor.next()) {
    const { buf, kp, kl, vp, vl } = cursor
    const ino = getIno(buf, kp + 1)
    switch (buf[kp]) {
      case Tag.attr:
        state.attrs.set(ino, decodeAttr(buf, vp, new Attr()))
        state.valueBytes.set(ino, vl)
        break
      case Tag.dirent: {
        const name = Buffer.from(buf.subarray(kp + DIRENT_NAME_AT, kp + kl)).toString('latin1')
        const high = getU32be(buf, kp + PREFIX_BYTES)
        const low = getU32be(buf, kp + PREFIX_BYTES + 4)
        state.entries.push({ parent: ino, name, ino: getIno(buf, vp), type: buf[vp + 7], high, low })
        break
      }
      case Tag.content:
        state.small.set(ino, vl)
        break
      case Tag.xattr:
        state.xattrs.add(ino)
        break
      case Tag.orphan:
        state.orphans.add(ino)
    }
  }
  return state
}

function checkEntry(session: MemorySession, attrs: Map<number, Attr>, entry: Entry, found: string[]): void {
  const where = `entry ${JSON.stringify(entry.name)} of inode ${entry.parent}`
  const parent = attrs.get(entry.parent)
  const attr = attrs.get(entry.ino)
  if (parent === undefined || parent.mode >>> 12 !== 4) found.push(`${where}: its parent is no directory`)
  if (attr === undefined) {
    found.push(`${where} names inode ${entry.ino}, which does not exist`)
    return
  }
  if (attr.mode >>> 12 !== entry.type) found.push(`${where} has a wrong type`)
  session.dirHash.of(entry.name)
  if (session.dirHash.high !== entry.high || session.dirHash.low !== entry.low) found.push(`${where} stands under a wrong hash`)
  if (entry.type !== 4) return
  if (attr.parent !== entry.parent) found.push(`${where} is a directory with another parent, ${attr.parent}`)
  if (attr.nameHigh !== entry.high || attr.nameLow !== entry.low) found.push(`${where} is a directory with another name's hash`)
}

function checkContent(session: MemorySession, state: State, ino: number, attr: Attr, found: string[]): void {
  const small = state.small.get(ino)
  const blocks = session.allocated(ino)
  const inline = (state.valueBytes.get(ino) ?? 0) - ATTR_BYTES
  if (inline !== (attr.kind === ContentKind.inline ? attr.size : 0)) found.push(`inode ${ino} of kind ${attr.kind} has ${inline} inline bytes`)
  if (small !== (attr.kind === ContentKind.small ? attr.size : undefined))
    found.push(`inode ${ino} of kind ${attr.kind} and size ${attr.size} has ${small} small bytes`)
  if (attr.kind !== ContentKind.blocks && blocks > 0) found.push(`inode ${ino} of kind ${attr.kind} has ${blocks} blocks`)
  const isDirectory = attr.mode >>> 12 === 4
  const whole = attr.kind === ContentKind.inline || attr.kind === ContentKind.small
  const expected = isDirectory ? 0 : whole ? Math.ceil(attr.size / 512) : unitsOf(session, ino, attr.size)
  if (attr.blocks !== expected) found.push(`inode ${ino} of kind ${attr.kind} has st_blocks ${attr.blocks} instead of ${expected}`)
  const beyond = session.nextBlock(ino, Math.ceil(attr.size / limits.blockBytes))
  if (!isDirectory && beyond >= 0) found.push(`inode ${ino} has block ${beyond} behind its end`)
}

/** 128 for each block, of the last one only what is used, in pages. */
function unitsOf(session: MemorySession, ino: number, size: number): number {
  const last = Math.floor((size - 1) / limits.blockBytes)
  const count = session.allocated(ino)
  if (count === 0 || session.nextBlock(ino, last) !== last) return count * 128
  return (count - 1) * 128 + Math.ceil((size - last * limits.blockBytes) / 4096) * 8
}
