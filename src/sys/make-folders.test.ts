import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeFolders } from './make-folders.js'

const root = mkdtempSync(join(tmpdir(), 'cairn-folders-'))
afterAll(() => rmSync(root, { recursive: true }))

describe('makeFolders', () => {
  it('makes what is missing and says from where', () => {
    expect(makeFolders(join(root, 'a/b/c'))).toBe(join(root, 'a'))
    expect(statSync(join(root, 'a/b/c')).mode & 0o777).toBe(0o700)
    expect(makeFolders(join(root, 'a/b/c'))).toBeUndefined()
  })

  it('refuses a file, in the place of it and on the way', () => {
    writeFileSync(join(root, 'file'), '')
    expect(() => makeFolders(join(root, 'file'))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    expect(() => makeFolders(join(root, 'file/sub'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }))
  })

  it.runIf(process.platform === 'linux')('gives up where nothing can be made', () => {
    expect(() => makeFolders('/proc/no-such-folder/sub')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })
})
