import { afterAll, describe, expect, it } from 'vitest'
import { type FilesBytes, FileWay } from '../history/contents/file-bytes.js'
import { limits } from '../sys/index.js'
import type { Contents } from './contents.js'
import { type GrepFile, type GrepOptions, grep } from './grep.js'
import { linePattern } from './line-pattern.js'
import { MatchThreads } from './match-threads.js'

const threads = new MatchThreads()
afterAll(() => threads.close())

/** Files of one directory, as an engine tells of them that has a pack for their bytes which is gone when it is looked at. */
class FakeContents {
  readonly asked: Array<{ count: number; whole: boolean }> = []
  readonly #files: Map<string, string>
  #isShown = false

  constructor(files: Record<string, string>) {
    this.#files = new Map(Object.entries(files))
  }

  async walk(): Promise<void> {
    this.#isShown = false
  }

  async walkNext() {
    if (this.#isShown) return undefined
    this.#isShown = true
    const rows = [...this.#files].flatMap(([, text], at) => [at + 2, 1, 0o100644, Buffer.byteLength(text), 0, 0, 0])
    return { names: Buffer.from(['', ...this.#files.keys()].join('\0')), numbers: Float64Array.of(1, 0, 0o040755, 0, 0, 0, 0, ...rows), files: [] }
  }

  async files(inodes: Float64Array, whole: boolean): Promise<FilesBytes> {
    this.asked.push({ count: inodes.length, whole })
    const all = [...this.#files.values()]
    const texts = Array.from(inodes, ino => Buffer.from(all[ino - 2]))
    const sizes = Float64Array.from(texts, text => text.length)
    // Only the first is in an answer that has bytes, and what is too large for one is to be had in pieces.
    const ways = Float64Array.from(texts, (text, at) => (text.length > limits.rpcChunkBytes ? FileWay.pieces : at === 0 ? FileWay.here : FileWay.later))
    if (whole) return { sizes, ways, bytes: ways[0] === FileWay.here ? texts[0] : Buffer.alloc(0), blocks: new Float64Array(0), packs: [] }
    return { sizes, ways: ways.map(() => 1), bytes: Buffer.alloc(0), blocks: Float64Array.from(texts.flatMap(() => [0, 0, 0, 100])), packs: ['/nothing/here'] }
  }

  async read(ino: number, offset: number): Promise<Uint8Array> {
    return Buffer.from([...this.#files.values()][ino - 2]).subarray(offset, offset + limits.rpcChunkBytes)
  }
}

async function found(contents: FakeContents, pattern: string, options: GrepOptions = {}): Promise<GrepFile[]> {
  const files: GrepFile[] = []
  const run = { contents: contents as unknown as Contents, threads, pattern: linePattern(pattern, options), options, skipped: { binary: 0, large: 0 } }
  for await (const file of grep(run)) files.push(file)
  return files
}

describe('grep', () => {
  it('asks the engine for the bytes of what has moved away from where it was said to be', async () => {
    const large = `${'x\n'.repeat(limits.rpcChunkBytes)}foo\n`
    const contents = new FakeContents({ a: 'foo\n', b: 'bar\n', c: 'a foo\n', large })
    expect(await found(contents, 'foo')).toMatchObject([
      { path: '/a', matches: [{ line: 1, column: 1 }] },
      { path: '/c', matches: [{ line: 1, column: 3 }] },
      { path: '/large', matches: [{ line: limits.rpcChunkBytes + 1, text: 'foo' }] },
    ])
    expect(contents.asked[0]).toEqual({ count: 4, whole: false })
    expect(contents.asked.slice(1).every(({ whole }) => whole)).toBe(true)
  })

  it('leaves no thread at work when nobody wants more', async () => {
    const contents = new FakeContents(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, 'foo\n'])))
    const run = { contents: contents as unknown as Contents, threads, pattern: linePattern('foo', {}), options: {}, skipped: { binary: 0, large: 0 } }
    for await (const { path } of grep(run)) {
      expect(path).toBe('/f0')
      break
    }
    expect(await found(contents, 'foo')).toHaveLength(50)
  })
})
