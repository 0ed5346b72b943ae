import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Attr, decodeAttr, encodeAttr, extentKey, HASH_BYTES, inodeKey, PACK_ID_BYTES, pointerOffset, Tag } from '../codec/index.js'
import { FileSystem } from '../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../node/index.js'
import { type BTree, type CellPlace, walkPages } from '../tree/index.js'
import { Engine } from './engine.js'
import type { Volume } from './volume.js'

let home: string
let engine: Engine
let volume: Volume
let fs: VolumeFs
const key = Buffer.alloc(300)

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-fsck-'))
  engine = Engine.open({ home })
  engine.create('w')
  volume = engine.openVolume('w')
  fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  fs.mkdirSync('/d')
  fs.writeFileSync('/d/inline', 'x')
  fs.writeFileSync('/d/small', 'y'.repeat(1000))
  fs.writeFileSync('/d/large', Buffer.alloc(200_000, 1))
  volume.flush()
  expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

const inoOf = (path: string): number => fs.statSync(path).ino

/** Commits records that no operation would write. */
function forge(change: () => void): void {
  change()
  expect(volume.session.commit()).toBe(0)
}

/** Writes the attributes of an inode again, changed. */
function forgeAttributes(ino: number, change: (attr: Attr) => void): void {
  const { tree } = volume.session
  expect(tree.get(key, inodeKey(key, Tag.attr, ino))).toBe(true)
  const value = Buffer.from(tree.vb.subarray(tree.vp, tree.vp + tree.vl))
  const attr = decodeAttr(value, 0, new Attr())
  change(attr)
  encodeAttr(attr, value, 0)
  forge(() => volume.session.put(key, inodeKey(key, Tag.attr, ino), value, value.length))
}

/** Each finding as one line. */
function found(): string[] {
  const report = volume.fsck()
  expect(report.ok).toBe(report.findings.every(finding => finding.severity === 'warning'))
  return report.findings.map(({ object, problem }) => `${object}: ${problem}`)
}

/** Flips a bit in the last sealed leaf of these records, and opens the volume anew. */
function damageLeaf(tag: number): void {
  const cell: CellPlace = { kp: 0, kl: 0, vp: 0, vl: 0 }
  let pointer = Buffer.alloc(0)
  walkPages(volume.session.tree as BTree, (at, level, page) => {
    if (level > 0 || at === undefined) return
    page.cell(0, cell)
    if (page.buf[cell.kp] === tag) pointer = Buffer.from(at)
  })
  engine.close()
  const id = pointer.subarray(HASH_BYTES, HASH_BYTES + PACK_ID_BYTES).toString('hex')
  const path = join(home, 'store/packs', id.slice(0, 16), `${id.slice(16, 24)}-${id.slice(24)}`)
  const bytes = readFileSync(path)
  bytes[pointerOffset(pointer, 0) + 100] ^= 1
  writeFileSync(path, bytes)
  engine = Engine.open({ home })
  volume = engine.openVolume('w')
}

describe('fsck finds', () => {
  it('a wrong link count, of a file and of a directory', () => {
    const [file, directory] = [inoOf('/d/small'), inoOf('/d')]
    for (const ino of [file, directory]) forgeAttributes(ino, attr => (attr.nlink += 1))
    expect(found()).toEqual([`inode ${directory}: it has a link count of 3, but 2 links`, `inode ${file}: it has a link count of 2, but 1 links`])
  })

  it('an inode that no directory names, and an entry that names none', () => {
    const ino = inoOf('/d/small')
    const { tree } = volume.session
    const cursor = tree.cursor()
    let entry = Buffer.alloc(0)
    for (let more = cursor.seek(Buffer.from([Tag.dirent]), 1); more && cursor.buf[cursor.kp] === Tag.dirent; more = cursor.next()) {
      const whole = Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
      if (whole.toString('latin1').endsWith('small')) entry = whole
    }
    forge(() => volume.session.del(entry, entry.length))
    expect(found()).toEqual([`inode ${ino}: it has a link count of 1, but 0 links`, `inode ${ino}: no directory names it and it is not marked as unlinked`])
  })

  it('an entry that names an inode which is not there', () => {
    const [ino, directory] = [inoOf('/d/inline'), inoOf('/d')]
    forge(() => volume.session.del(key, inodeKey(key, Tag.attr, ino)))
    expect(found()).toContain(`entry 'inline' of inode ${directory}: it names inode ${ino}, which is not there`)
  })

  it('a mark of an unlinked inode that is not there', () => {
    forge(() => volume.session.put(key, inodeKey(key, Tag.orphan, 4_194_999), key, 0))
    expect(found()).toEqual(['inode 4194999: it is marked as unlinked but is not there'])
  })

  it('content that is not as long as the size says', () => {
    const [inline, small] = [inoOf('/d/inline'), inoOf('/d/small')]
    forgeAttributes(inline, attr => (attr.size = 2))
    forgeAttributes(small, attr => (attr.size = 999))
    expect(found()).toEqual([`inode ${inline}: its size is 2 but 1 bytes are stored`, `inode ${small}: its size is 999 but 1000 bytes are stored`])
  })

  it('a block beyond the size, and a malformed one', () => {
    const ino = inoOf('/d/large')
    forgeAttributes(ino, attr => (attr.size = 65_536))
    expect(found()).toEqual([`inode ${ino}: it has a block beyond its size of 65536`])
    forgeAttributes(ino, attr => (attr.size = 200_000))
    forge(() => volume.session.put(key, extentKey(key, ino, 2), Buffer.from([1, 2, 3]), 3))
    expect(found()).toEqual([`inode ${ino} block 2: its extent record is malformed`])
  })

  it('records of inodes that have none, or another kind', () => {
    forge(() => volume.session.put(key, inodeKey(key, Tag.content, inoOf('/d/inline')), key, 10))
    expect(found()).toEqual([`inode ${inoOf('/d/inline')}: it has a small content record that its attributes do not know`])
  })

  it('another parent than the directory that names it', () => {
    fs.mkdirSync('/d/e')
    forgeAttributes(inoOf('/d/e'), attr => (attr.parent = 1))
    expect(found()).toEqual([`entry 'e' of inode ${inoOf('/d')}: the directory says that its parent is inode 1`])
  })

  it('keys that are out of order', () => {
    for (let i = 0; i < 500; i++) fs.writeFileSync(`/d/f${i}`, '')
    const { tree } = volume.session
    const cell: CellPlace = { kp: 0, kl: 0, vp: 0, vl: 0 }
    // The first key of the last leaf of attributes, in memory before a seal writes it.
    let last: { buf: Buffer; at: number } | undefined
    walkPages(tree as BTree, (_pointer, level, page) => {
      if (level > 0) return
      page.cell(0, cell)
      if (page.buf[cell.kp] === Tag.attr && page.buf[cell.kp + 7] > 0) last = { buf: page.buf, at: cell.kp }
    })
    if (last === undefined) throw new Error('the tree has one leaf of attributes only')
    inodeKey(key, Tag.attr, 2)
    key.copy(last.buf, last.at, 0, 8)
    expect(found()[0]).toMatch(/^packs\/.* at \d+ \(page [0-9a-f]+\): a key lies below its separator$/)
  })

  it('a page that cannot be read, once, and not what follows from it for each inode', () => {
    for (let i = 0; i < 500; i++) fs.writeFileSync(`/d/f${i}`, '')
    volume.flush()
    damageLeaf(Tag.dirent)
    expect(found()).toEqual([
      expect.stringMatching(/^packs\/.* at \d+( \(page .*\))?: .*checksum/),
      'tree: some of it cannot be read, so that link counts and sizes were not compared',
      expect.stringMatching(/^packs\/[^ ]*: the segment at \d+ does not verify$/),
    ])
  })

  it('a pack whose footer tells of something else, and says once what it is', () => {
    const folder = join(home, 'store/packs', volume.info.id)
    const path = join(folder, readdirSync(folder)[0])
    const bytes = readFileSync(path)
    bytes[bytes.length - 30] ^= 1
    writeFileSync(path, bytes)
    expect(found()).toEqual([expect.stringMatching(new RegExp(`^packs/${volume.info.id}/.*: .*(footer|index)`))])
  })
})
