import './support/without-syncs.js'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { logKey } from '../src/codec/log-object.js'
import type { StoreLocation } from '../src/store/url.js'
import type { KeySource } from '../src/store/user-key.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { shaped } from './support/hosts/host.js'

let folder: string
let address: StoreLocation
let key: KeySource
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-encrypted-log-'))
  address = { kind: 'directory', path: join(folder, 'there') }
  key = { key: randomBytes(32).toString('hex'), from: 'this test' }
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

function host(name: string, keys: KeySource[]): Engine {
  const engine = Engine.open({ home: join(folder, name), keys })
  engines.push(engine)
  return engine
}

function open(engine: Engine): Volume {
  engine.attach('planted-volume', address)
  return engine.openVolume('planted-volume', { force: true, durability: 'remote' })
}

/** The host is gone with all that it had. */
function lose(name: string): void {
  for (const engine of engines.splice(0)) engine.crash()
  rmSync(join(folder, name), { recursive: true, force: true })
}

function logged(volume: string): string[] {
  const at = join(folder, 'there', 'volumes', volume, 'log')
  return existsSync(at) ? readdirSync(at).sort() : []
}

function commit(volume: Volume, path: string, content: string): void {
  shaped(volume.session).writeFileSync(path, content, { flush: true })
}

/** A volume with durable commits in log objects, whose host is gone. */
function abandoned(): string {
  const a = host('a', [key])
  const { id } = a.create('planted-volume', { store: address, encrypt: true })
  const volume = open(a)
  commit(volume, '/first', 'f')
  const before = logged(id).length
  for (let i = 0; i < 5; i++) commit(volume, `/planted-name-${i}`, `planted-content ${i}`)
  volume.commitTransaction(volume.begin())
  expect(logged(id).length - before).toBe(5)
  lose('a')
  return id
}

describe('durable commits of an encrypted volume', () => {
  it('are there for a host that has the key, and for nobody else', () => {
    const id = abandoned()
    for (const name of logged(id)) {
      const bytes = readFileSync(join(folder, 'there', logKey(id, Number(name))), 'latin1')
      for (const secret of ['planted-']) expect(bytes).not.toContain(secret)
    }
    expect(() => open(host('without', []))).toThrow(expect.objectContaining({ code: 'ERR_KEY_MISSING' }))
    expect(() => open(host('wrong', [{ key: 'e'.repeat(64), from: 'this test' }]))).toThrow(expect.objectContaining({ code: 'ERR_KEY_WRONG' }))
    const found = open(host('b', [key]))
    const fs = shaped(found.session)
    for (let i = 0; i < 5; i++) expect(fs.readFileSync(`/planted-name-${i}`, 'utf8')).toBe(`planted-content ${i}`)
    expect(found.fsck()).toMatchObject({ ok: true, findings: [] })
    // What the next host logs goes on from there, and is the third one's to find.
    commit(found, '/by-b', 'b')
    lose('b')
    const last = shaped(open(host('c', [key])).session)
    expect(last.readFileSync('/by-b', 'utf8')).toBe('b')
    expect(last.readFileSync('/planted-name-4', 'utf8')).toBe('planted-content 4')
  })

  it.each([
    ['changed', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 60), Buffer.from([bytes[60] ^ 1]), bytes.subarray(61)])],
    ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ['that of another number', (_: Buffer, other: Buffer) => other],
  ] as const)('that were %s on the way are refused by name, and none of them is left out', (_, damage) => {
    const id = abandoned()
    const [one, other] = logged(id).slice(-2)
    const path = (name: string): string => join(folder, 'there', logKey(id, Number(name)))
    const right = readFileSync(path(one))
    writeFileSync(path(one), damage(right, readFileSync(path(other))))
    const b = host('b', [key])
    expect(() => open(b)).toThrow(new RegExp(`${logKey(id, Number(one))} is damaged`))
    writeFileSync(path(one), right)
    expect(shaped(open(b).session).readFileSync('/planted-name-4', 'utf8')).toBe('planted-content 4')
  })
})
