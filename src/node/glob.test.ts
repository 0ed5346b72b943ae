import { describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { MemorySession } from '../testing/memory-session.js'
import { LocalBackend } from './backend.js'
import { createFs } from './fs.js'
import { parsePattern } from './glob-pattern.js'
import { LocalOps } from './ops.js'

describe('glob', () => {
  const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(new MemorySession()))))
  fs.mkdirSync('/a/b', { recursive: true })
  for (const file of ['/a/1', '/a/b/2', '/3', '/a/.4']) fs.writeFileSync(file, '')

  it('begins at the root, and excludes by entries where it gives entries', () => {
    expect(fs.globSync('**').sort()).toEqual(['.', '3', 'a', 'a/1', 'a/b', 'a/b/2'])
    const exclude = (entry: { name: string; parentPath: string; isDirectory(): boolean }) => entry.isDirectory() && entry.parentPath === '/a'
    expect(
      fs
        .globSync('**', { withFileTypes: true, exclude: exclude as never })
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['', '1', '3', 'a'])
  })

  it('finds hidden names that are asked for, wherever the pattern does', () => {
    expect(fs.globSync('**/.*')).toEqual(['a/.4'])
    expect(fs.globSync('a/{.,}[0-9]').sort()).toEqual(['a/.4', 'a/1'])
  })
})

describe('a pattern', () => {
  const texts = (pattern: string) => parsePattern(pattern).map(({ segments }) => segments.map(one => (typeof one === 'string' ? one : '*')).join('/'))

  it('is several where braces have slashes in them, also nested ones and those that never close', () => {
    expect(texts('a/{b/c,d/{e/f,g}}/h')).toEqual(['a/b/c/h', 'a/d/e/f/h', 'a/d/g/h'])
    expect(texts('a/{b,c}/{d/e,f}')).toEqual(['a/*/d/e', 'a/*/f'])
    expect(texts('a/{b/c')).toEqual(['a/*/c'])
    expect(texts('x//./y/')).toEqual(['x/y'])
  })
})
