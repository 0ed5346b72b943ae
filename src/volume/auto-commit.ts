import { ATTR_BYTES, Attr, decodeAttr, getIno, Tag } from '../codec/index.js'
import { type BTree, diff } from '../tree/index.js'

const from = Buffer.from([Tag.attr])
const to = Buffer.from([Tag.dirent + 1])
const ROOT = 1

/**
 * True when something differs that a commit is made for. Times of access are not, nor the end of a file that had no name any more. Any
 * change of content changes attributes too, so only those and names are compared; ends at the first that counts.
 */
export function isWorthCommit(before: BTree, now: BTree): boolean {
  let found = false
  diff(
    before,
    now,
    (key, old, value) => {
      found = key[0] === Tag.dirent || isAttrWorth(getIno(key, 1), old, value)
      return !found
    },
    { from, to },
  )
  return found
}

const one = new Attr()
const two = new Attr()

function isAttrWorth(ino: number, before: Uint8Array | undefined, after: Uint8Array | undefined): boolean {
  // A root directory that appears is that of a new volume, still empty.
  if (before === undefined || after === undefined) return ino !== ROOT && linksOf(before ?? after) > 0
  const b = decodeAttr(before, 0, one)
  const a = decodeAttr(after, 0, two)
  if (b.nlink === 0 && a.nlink === 0) return false
  if (Buffer.compare(before.subarray(ATTR_BYTES), after.subarray(ATTR_BYTES)) !== 0) return true
  return (
    b.kind !== a.kind ||
    b.flags !== a.flags ||
    b.mode !== a.mode ||
    b.nlink !== a.nlink ||
    b.uid !== a.uid ||
    b.gid !== a.gid ||
    b.rdev !== a.rdev ||
    b.size !== a.size ||
    b.blocks !== a.blocks ||
    b.mtimeS !== a.mtimeS ||
    b.mtimeNs !== a.mtimeNs ||
    b.ctimeS !== a.ctimeS ||
    b.ctimeNs !== a.ctimeNs ||
    b.parent !== a.parent
  )
}

function linksOf(record: Uint8Array | undefined): number {
  return record === undefined ? 0 : decodeAttr(record, 0, one).nlink
}
