import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keySourcesOf, readUserKey } from './user-key.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-key-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const bytes = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i))

function file(content: string | Buffer): { file: string } {
  const path = join(folder, 'key')
  writeFileSync(path, content)
  return { file: path }
}

describe('readUserKey', () => {
  it('takes 32 bytes as they are, in hex and in base64, with a line end or without', () => {
    for (const content of [
      bytes,
      bytes.toString('hex'),
      `${bytes.toString('hex').toUpperCase()}\r\n`,
      bytes.toString('base64'),
      `${bytes.toString('base64')}\n`,
    ])
      expect(readUserKey(file(content))).toEqual({ bytes })
  })

  it('takes any other text for a passphrase, without its line end', () => {
    expect(readUserKey(file('correct horse\n'))).toEqual({ passphrase: 'correct horse' })
    expect(readUserKey(file(' spaces count \n\n'))).toEqual({ passphrase: ' spaces count \n' })
    expect(readUserKey(file('пароль из слов'))).toEqual({ passphrase: 'пароль из слов' })
    expect(readUserKey({ key: 'x'.repeat(32), from: 'a test' })).toEqual({ passphrase: 'x'.repeat(32) })
  })

  it('reads what a command prints, and says how it failed without what it said', () => {
    expect(readUserKey({ command: 'echo correct horse' })).toEqual({ passphrase: 'correct horse' })
    expect(() => readUserKey({ command: 'echo secret; exit 3' })).toThrow(/^The command that prints the key, `echo secret; exit 3`, ended with code 3\.$/)
    try {
      readUserKey({ command: 'printf "sec%s" ret; exit 3' })
    } catch (error) {
      const { message, cause } = error as Error
      expect([message, cause]).toEqual([expect.not.stringContaining('secret'), undefined])
    }
  })

  it('refuses what can be no key, without showing it', () => {
    const refused: Array<[string | Buffer, RegExp]> = [
      ['', /it is empty/],
      ['\n', /it is empty/],
      [bytes.subarray(1), /it has 31 bytes that are no text/],
      [Buffer.concat([bytes, bytes]), /it has 64 bytes that are no text/],
      ['ab'.repeat(31), /it has 62 hexadecimal digits, where a key has 64/],
    ]
    for (const [content, message] of refused) expect(() => readUserKey(file(content))).toThrow(message)
    expect(() => readUserKey({ file: join(folder, 'none') })).toThrow(/^The key file .*none is not there\.$/)
    expect(() => readUserKey({ file: folder })).toThrow(/cannot be read \(EISDIR\)/)
  })
})

describe('keySourcesOf', () => {
  it('names what the environment holds, and nothing that is empty', () => {
    expect(keySourcesOf({ CAIRN_KEY: 'a', CAIRN_KEY_FILE: '/b', CAIRN_KEY_COMMAND: 'c' })).toEqual([
      { variable: 'CAIRN_KEY' },
      { file: '/b' },
      { command: 'c' },
    ])
    expect(keySourcesOf({ CAIRN_KEY: '', CAIRN_NEW_KEY_FILE: '/n' })).toEqual([])
    expect(keySourcesOf({ CAIRN_NEW_KEY_FILE: '/n' }, 'CAIRN_NEW_KEY')).toEqual([{ file: '/n' }])
  })
})
