import { describe, expect, test } from 'vitest'
import { checkCheckpointName, checkVolumeName, formatAddress, parseAddress, parseVolumeRef } from './address.js'

const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    const { code, exitCode, message, remedy } = error as { code: string; exitCode: number; message: string; remedy: string }
    expect(exitCode).toBe(2)
    expect(message).toMatch(/\.$/)
    expect(remedy).not.toBe('')
    return code
  }
  return 'none'
}

describe('addresses', () => {
  test.each([
    ['work', { kind: 'volume', volume: 'work', path: '/' }],
    ['work:/', { kind: 'volume', volume: 'work', path: '/' }],
    ['work:/a/b', { kind: 'volume', volume: 'work', path: '/a/b' }],
    ['work:/a:/b', { kind: 'volume', volume: 'work', path: '/a:/b' }],
    ['work:/a@b', { kind: 'volume', volume: 'work', path: '/a@b' }],
    ['work:/a//b///c', { kind: 'volume', volume: 'work', path: '/a/b/c' }],
    ['work@then', { kind: 'volume', volume: 'work', ref: 'then', path: '/' }],
    ['work@~2:/x', { kind: 'volume', volume: 'work', ref: '~2', path: '/x' }],
    ['work@2026-11-20T10:00:/x', { kind: 'volume', volume: 'work', ref: '2026-11-20T10:00', path: '/x' }],
    ['work@-2h:/x', { kind: 'volume', volume: 'work', ref: '-2h', path: '/x' }],
    [':/x', { kind: 'volume', volume: 'chosen', path: '/x' }],
    ['@then:/x', { kind: 'volume', volume: 'chosen', ref: 'then', path: '/x' }],
    ['./x', { kind: 'host', path: './x' }],
    ['../x', { kind: 'host', path: '../x' }],
    ['.', { kind: 'host', path: '.' }],
    ['/x:/y', { kind: 'host', path: '/x:/y' }],
    ['src/x', { kind: 'host', path: 'src/x' }],
    ['-', { kind: 'stdio' }],
  ])('%s', (text, expected) => {
    expect(parseAddress(text, 'chosen')).toEqual(expected)
  })

  test.each([
    ['', 'ERR_ADDRESS'],
    ['a\0b', 'ERR_ADDRESS'],
    ['work:x', 'ERR_ADDRESS'],
    ['my work:/x', 'ERR_VOLUME_NAME'],
    ['..:/x', 'ERR_VOLUME_NAME'],
    ['-x:/y', 'ERR_VOLUME_NAME'],
    ['a/b:/x', 'ERR_VOLUME_NAME'],
    ['work@:/x', 'ERR_REF'],
  ])('refuses %j', (text, code) => {
    expect(codeOf(() => parseAddress(text, 'chosen'))).toBe(code)
  })

  test('names what to write after a colon without a slash', () => {
    expect(() => parseAddress('work:x')).toThrow(expect.objectContaining({ remedy: 'Write work:/x.' }))
  })

  test('without a default volume says how to choose one', () => {
    expect(codeOf(() => parseAddress(':/x'))).toBe('ERR_NO_VOLUME')
  })

  test('are written as they are read', () => {
    for (const text of ['work', 'work@then', 'work@then:/a', 'work:/a']) {
      const { volume, ref } = parseVolumeRef(text.split(':/')[0])
      const path = text.includes(':/') ? text.slice(text.indexOf(':/') + 1) : undefined
      expect(formatAddress({ volume, ref, path })).toBe(text)
    }
  })
})

describe('names', () => {
  test.each(['a', 'A1', 'a.b-c_d', '0', 'x'.repeat(100)])('%s may name a volume', name => {
    expect(() => checkVolumeName(name)).not.toThrow()
  })

  test.each([
    ['', /is empty/],
    ['a/b', /slash/],
    ['..', /directory/],
    ['a b', /space/],
    ['x'.repeat(300), /300 characters/],
    ['.a', /start/],
    ['-a', /start/],
    ['_a', /start/],
    ['é', /start/],
    ['aé', /characters other than/],
    ['a:b', /characters other than/],
    ['a\n', /space/],
  ])('%j may not', (name, why) => {
    expect(() => checkVolumeName(name)).toThrow(why)
    expect(codeOf(() => checkVolumeName(name))).toBe('ERR_VOLUME_NAME')
  })

  test.each(['before', 'v1', 'a-2h', '20', 'abcdef', '000001', '0.10', 'release-2026'])('%s may name a checkpoint', name => {
    expect(() => checkCheckpointName(name)).not.toThrow()
  })

  test.each(['~1', '~', '-2h', '2h', '2026-11-20', '2026-11-20T10:00', '01JABCDEFGHJKMNPQRSTVWXYZ0', '01m7z14ncq', '', 'a/b', 'a b'])(
    '%j may not name a checkpoint',
    name => {
      expect(codeOf(() => checkCheckpointName(name))).toBe('ERR_CHECKPOINT_NAME')
    },
  )
})
