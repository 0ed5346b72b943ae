import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CorruptError } from '../errors.js'
import { limits } from '../sys/index.js'
import { Engine } from './engine.js'
import type { Volume } from './volume.js'

const BLOCK = limits.blockBytes
let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-spool-'))
  engine = Engine.open({ home })
})

afterEach(() => {
  engine.crash()
  rmSync(home, { recursive: true, force: true })
})

const block = (i: number): Buffer => Buffer.alloc(BLOCK, i + 1)

function writeBlocks(volume: Volume, ino: number, count: number): void {
  for (let i = 0; i < count; i++) {
    volume.session.writeData(ino, i * BLOCK, block(i), 0, BLOCK)
    expect(volume.session.commit()).toBe(0)
  }
}

function readBlock(volume: Volume, ino: number, i: number): Buffer {
  const bytes = Buffer.alloc(BLOCK)
  volume.session.content.read(ino, i * BLOCK, bytes, 0, BLOCK)
  return bytes
}

function reopen(): Volume {
  engine.crash()
  engine = Engine.open({ home })
  return engine.openVolume('v')
}

const spoolOf = (volume: Volume): string => join(home, 'volumes', volume.info.id, 'spool')

function flipIn(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] ^= 1
  writeFileSync(path, bytes)
}

describe('packs that a killed process left', () => {
  it('are published by the next seal, with an index of all that is in them, named or not', () => {
    engine.create('v')
    const volume = engine.openVolume('v')
    writeBlocks(volume, 7, 4)
    // A block that no batch came to name.
    volume.session.writeData(7, 9 * BLOCK, block(9), 0, BLOCK)
    volume.session.discard()
    volume.session.writeData(7, 4 * BLOCK, block(4), 0, BLOCK)
    volume.session.commit()
    const again = reopen()
    for (let i = 0; i < 5; i++) expect(readBlock(again, 7, i)).toEqual(block(i))
    again.flush()
    expect(readdirSync(spoolOf(again))).toEqual([])
    const packs = engine.openVolume('v').context.packs
    for (const name of readdirSync(join(home, 'store', 'packs', again.info.id))) expect(packs.checkPack(`packs/${again.info.id}/${name}`)).toBe(undefined)
    for (let i = 0; i < 5; i++) expect(readBlock(again, 7, i)).toEqual(block(i))
  })

  it('keep the blocks behind a damaged one, and say which that is', () => {
    engine.create('v')
    const volume = engine.openVolume('v')
    writeBlocks(volume, 7, 5)
    const [name] = readdirSync(spoolOf(volume))
    flipIn(join(spoolOf(volume), name), 32 + 2 * (BLOCK + 16) + 500)
    const again = reopen()
    again.flush()
    for (const i of [0, 1, 3, 4]) expect(readBlock(again, 7, i)).toEqual(block(i))
    expect(() => readBlock(again, 7, 2)).toThrow(CorruptError)
    expect(() => readBlock(again, 7, 2)).toThrow(/packs\/.* at \d+ is damaged/)
  })

  it('that got lost are missed, and never taken for newer ones of the same size', () => {
    engine.create('v')
    const volume = engine.openVolume('v')
    writeBlocks(volume, 7, 1)
    const [name] = readdirSync(spoolOf(volume))
    rmSync(join(spoolOf(volume), name))
    const again = reopen()
    again.session.writeData(8, 0, block(1), 0, BLOCK)
    again.session.commit()
    expect(() => readBlock(again, 7, 0)).toThrow(/the pack is missing/)
    again.flush()
    expect(readBlock(again, 8, 0)).toEqual(block(1))
    const [stored] = readdirSync(join(home, 'store', 'packs', again.info.id))
    rmSync(join(home, 'store', 'packs', again.info.id, stored))
    const third = reopen()
    third.session.writeData(9, 0, block(2), 0, BLOCK)
    third.session.commit()
    expect(() => readBlock(third, 7, 0)).toThrow(CorruptError)
    expect(() => readBlock(third, 8, 0)).toThrow(CorruptError)
  })

  it('whose header is damaged are in nobody’s way', () => {
    engine.create('v')
    const volume = engine.openVolume('v')
    writeBlocks(volume, 7, 1)
    const [name] = readdirSync(spoolOf(volume))
    flipIn(join(spoolOf(volume), name), 0)
    const again = reopen()
    expect(() => readBlock(again, 7, 0)).toThrow(CorruptError)
    again.session.writeData(7, BLOCK, block(1), 0, BLOCK)
    expect(again.session.commit()).toBe(0)
    expect(readBlock(again, 7, 1)).toEqual(block(1))
  })
})

describe('a stored block that is damaged', () => {
  it('keeps its volume from sealing, but takes no write and no other volume with it', () => {
    engine.create('other')
    engine.create('v')
    const volume = engine.openVolume('v')
    writeBlocks(volume, 7, 2)
    volume.flush()
    const packs = join(home, 'store', 'packs', volume.info.id)
    for (const name of readdirSync(packs)) if (readFileSync(join(packs, name)).length > BLOCK) flipIn(join(packs, name), 32 + 500)
    const again = reopen()
    again.session.writeData(7, 100, Buffer.from('over it'), 0, 7)
    expect(again.session.commit()).toBe(0)
    again.session.writeData(7, 5 * BLOCK, block(5), 0, BLOCK)
    expect(again.session.commit()).toBe(0)
    expect(() => again.flush()).toThrow(CorruptError)
    expect(() => again.flush()).toThrow(/packs\/.* is damaged/)
    expect(() => engine.pump(10)).not.toThrow()
    const other = engine.openVolume('other')
    writeBlocks(other, 7, 1)
    other.flush()
    again.close()
    const third = engine.openVolume('v')
    expect(readBlock(third, 7, 5)).toEqual(block(5))
    expect(readBlock(third, 7, 1)).toEqual(block(1))
    expect(() => readBlock(third, 7, 0)).toThrow(CorruptError)
  })
})
