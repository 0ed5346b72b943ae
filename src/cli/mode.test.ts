import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modeString, parseMode, typeName } from './mode.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-mode-'))
  writeFileSync(join(folder, 'file'), '')
  mkdirSync(join(folder, 'dir'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const texts = [
  'u+x',
  'go-w',
  'a=r',
  '+x',
  '-w',
  '=rx',
  'u+rwX,go-w',
  'g=u',
  'o=g',
  'ug+s',
  '+t',
  'u=rwx,g=rx,o=',
  'a+X',
  'u-s',
  'go+u',
  'u+x-w',
  '-x',
  'g=',
  '755',
  '0',
  '4755',
  '1777',
  '0644',
]
const starts = [0o644, 0o755, 0o000, 0o4750, 0o2711, 0o1777]

describe('modes mean what they mean to chmod', () => {
  test.each(texts)('%s', text => {
    for (const start of starts) {
      for (const [name, isDirectory] of [
        ['file', false],
        ['dir', true],
      ] as const) {
        const path = join(folder, name)
        chmodSync(path, start)
        // `--` because a mode may start with a hyphen.
        execFileSync('chmod', ['--', text, path], { stdio: 'ignore' })
        const real = statSync(path).mode & 0o7777
        expect(parseMode(text, process.umask())(start, isDirectory).toString(8), `${text} of ${start.toString(8)} of a ${name}`).toBe(real.toString(8))
      }
    }
  })

  test.each(['', 'rwx', 'u', 'u+q', '9', '12345', 'u+x,', 'u~x'])('%j is no mode', text => {
    expect(() => parseMode(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE', exitCode: 2 }))
  })
})

test('modes as ls shows them', () => {
  expect(modeString(0o100644)).toBe('-rw-r--r--')
  expect(modeString(0o041777)).toBe('drwxrwxrwt')
  expect(modeString(0o104755)).toBe('-rwsr-xr-x')
  expect(modeString(0o102644)).toBe('-rw-r-Sr--')
  expect(modeString(0o120777)).toBe('lrwxrwxrwx')
  expect(typeName(0o010644)).toBe('fifo')
})
