import '../../../test/support/without-syncs.js'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Tag } from '../../codec/index.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'
import { readPublicKey } from './sign.js'
import { type AuditVerification, type AuditVerifyOptions, verifyAudit } from './verify.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-audit-'))
  engine = Engine.open({ home, actor: 'ann' })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function verified(tree: BTree, options: AuditVerifyOptions = {}): AuditVerification {
  const steps = verifyAudit(() => tree, options)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

const check = (volume: Volume, options?: AuditVerifyOptions): AuditVerification => verified(volume.state.history, options)

interface Stored {
  key: Buffer
  value: Buffer
}

function records(history: BTree): Stored[] {
  const found: Stored[] = []
  const cursor = history.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.audit]), 1); more && cursor.buf[cursor.kp] === Tag.audit; more = cursor.next()) {
    const { buf, kp, kl, vp, vl } = cursor
    found.push({ key: Buffer.from(buf.subarray(kp, kp + kl)), value: Buffer.from(buf.subarray(vp, vp + vl)) })
  }
  return found
}

function withKey(): string {
  const file = join(home, 'audit.pem')
  writeFileSync(file, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return file
}

function fill(volume: Volume): void {
  volume.audit.append({ kind: 'exec', exec: 'run-1', argv: ['make'], exit: 0 })
  volume.checkpoint('good')
  volume.audit.append({ kind: 'exec', exec: 'run-2', shell: 'x'.repeat(5000), exit: 1 })
  volume.audit.append({ kind: 'mount' }, { kind: 'unmount' })
}

describe('verification', () => {
  it('finds nothing wrong with a chain that is whole', () => {
    const volume = engine.openVolume('w')
    expect(check(volume)).toEqual({ ok: true, entries: 0, first: 1, last: 0, redacted: 0, problems: [] })
    fill(volume)
    const { sequence, hash } = volume.audit.state ?? { sequence: 0, hash: '' }
    expect(check(volume)).toEqual({ ok: true, entries: 6, first: 1, last: 6, tip: { sequence, hash }, redacted: 0, problems: [] })
  })

  it('finds any byte of any entry that was changed, and any that is missing', () => {
    const volume = engine.openVolume('w')
    fill(volume)
    const stored = records(volume.state.history)
    const entries = stored.slice(0, -1)
    const total = entries.reduce((sum, { value }) => sum + value.length, 0)
    fc.assert(
      fc.property(fc.nat(total - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const tree = volume.state.history.fork()
        let { key, value } = entries[0]
        for (const one of entries) {
          ;({ key, value } = one)
          if (at < value.length) break
          at -= value.length
        }
        const damaged = Buffer.from(value)
        damaged[at] ^= flip
        tree.put(key, key.length, damaged, damaged.length)
        expect(verified(tree).ok).toBe(false)
      }),
      { numRuns: 400 },
    )
    for (const { key } of stored) {
      const tree = volume.state.history.fork()
      tree.del(key, key.length)
      expect(verified(tree).problems).not.toEqual([])
    }
  })

  it('finds every byte of the head of the last entry, which no other one names', () => {
    const volume = engine.openVolume('w')
    volume.audit.append({ kind: 'open' })
    const last = records(volume.state.history).at(-2)
    if (last === undefined) throw new Error('no entry')
    for (let at = 0; at < last.value.length; at++) {
      const tree = volume.state.history.fork()
      const damaged = Buffer.from(last.value)
      damaged[at] ^= 0x41
      tree.put(last.key, last.key.length, damaged, damaged.length)
      expect(verified(tree).ok, `byte ${at}`).toBe(false)
    }
  })

  it('finds entries that were put before, behind and between', () => {
    const volume = engine.openVolume('w')
    fill(volume)
    for (const tail of ['00000000000000' + '0000', '00000000000064' + '0000', '00000000000003' + '0005', '1fffffffffffff' + '0001', '00000000000002']) {
      const tree = volume.state.history.fork()
      const key = Buffer.from(`14${tail}`, 'hex')
      tree.put(key, key.length, Buffer.from('x'), 1)
      expect(verified(tree).ok, tail).toBe(false)
    }
  })

  it('proves with a tip that was kept that nothing before it was rewritten', () => {
    const volume = engine.openVolume('w')
    fill(volume)
    const { sequence, hash } = volume.audit.state ?? { sequence: 0, hash: '' }
    const old = volume.state.history.fork()
    volume.audit.append({ kind: 'open' })
    const later = volume.audit.state ?? { sequence: 0, hash: '' }
    expect(check(volume, { against: { sequence, hash } })).toMatchObject({ ok: true, against: { sequence, proven: true } })
    expect(check(volume, { against: { sequence, hash: '00'.repeat(32) } })).toMatchObject({ ok: false, against: { proven: false } })
    // One whose end was taken away verifies by itself.
    expect(verified(old).ok).toBe(true)
    expect(verified(old, { against: later })).toMatchObject({ ok: false, problems: [{ problem: expect.stringContaining('missing at its end') }] })
  })

  it('knows the link of a fork, and a tip of its source', () => {
    const volume = engine.openVolume('w')
    fill(volume)
    const { sequence, hash } = volume.audit.state ?? { sequence: 0, hash: '' }
    engine.fork('w', undefined, 'f')
    const fork = engine.openVolume('f')
    fork.audit.append({ kind: 'open' })
    expect(check(fork, { against: { sequence, hash } })).toMatchObject({ ok: true, entries: 8, against: { proven: true } })
  })

  it('of a signed chain finds what was rewritten whole, and whose signature it is', () => {
    const auditKeyFile = withKey()
    engine.close()
    engine = Engine.open({ home, auditKeyFile })
    const volume = engine.openVolume('w')
    fill(volume)
    const key = readPublicKey(auditKeyFile)
    expect(check(volume, { key })).toMatchObject({ ok: true, signed: { sequence: 6, key } })
    expect(check(volume, { key: '11'.repeat(32) })).not.toHaveProperty('signed')
    engine.close()
    // Without the key: the entries go on, and what was signed stays so.
    engine = Engine.open({ home })
    const again = engine.openVolume('w')
    again.audit.append({ kind: 'open' })
    expect(check(again, { key })).toMatchObject({ ok: true, last: 7, signed: { sequence: 6 } })
    const item = records(again.state.history).at(-1)
    if (item === undefined) throw new Error('no state')
    const tree = again.state.history.fork()
    const forged = Buffer.from(item.value.toString().replace(/"signature":"../, '"signature":"zz'))
    tree.put(item.key, item.key.length, forged, forged.length)
    expect(verified(tree)).toMatchObject({ ok: false, problems: [{ problem: 'the signature of the tip does not hold' }] })
  })

  it('says what is wrong with a key', () => {
    const file = join(home, 'none.pem')
    engine.close()
    engine = Engine.open({ home, auditKeyFile: file })
    const volume = engine.openVolume('w')
    expect(() => volume.audit.append({ kind: 'open' })).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_KEY', message: expect.stringContaining('is not there') }),
    )
    writeFileSync(file, 'secret words')
    expect(() => volume.audit.append({ kind: 'open' })).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_KEY', message: expect.not.stringContaining('secret') }),
    )
    expect(volume.audit.state).toBeUndefined()
  })
})

describe('a chain with more entries than are kept', () => {
  const kept = limits.auditEntries
  const once = limits.auditDropAtOnce

  afterEach(() => {
    Object.assign(limits, { auditEntries: kept, auditDropAtOnce: once })
  })

  it('drops the oldest, says so, signed, and verifies on', () => {
    Object.assign(limits, { auditEntries: 40, auditDropAtOnce: 8 })
    const auditKeyFile = withKey()
    engine.close()
    engine = Engine.open({ home, auditKeyFile })
    const volume = engine.openVolume('w')
    for (let i = 0; i < 100; i++) volume.audit.append({ kind: 'exec', exec: `run-${i}`, shell: 'y'.repeat(i * 40) })
    const report = check(volume, { key: readPublicKey(auditKeyFile) })
    expect(report).toMatchObject({ ok: true, dropped: { sequence: report.first - 1, signed: true } })
    expect(report.entries).toBeLessThanOrEqual(41)
    expect(report.entries).toBe(report.last - report.first + 1)
    const dropped = report.dropped ?? { sequence: 0, hash: '' }
    expect(check(volume, { against: dropped })).toMatchObject({ ok: true, against: { proven: true } })
    expect(check(volume, { against: { sequence: 3, hash: dropped.hash } })).toMatchObject({
      ok: false,
      problems: [{ problem: expect.stringContaining('was dropped') }],
    })
  })
})
