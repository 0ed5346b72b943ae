import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CrashPoint, crashPoints, onCrashPoint } from '../../sys/index.js'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { DirectoryStore, openDirectoryStore } from './index.js'

let folder: string
let root: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-store-'))
  root = join(folder, 'store')
})

afterEach(() => {
  onCrashPoint(undefined)
  rmSync(folder, { recursive: true, force: true })
})

/** A store without `store.json`: the suite wants an empty one. */
function bare(): DirectoryStore {
  mkdirSync(root, { recursive: true })
  return new DirectoryStore(root, '0'.repeat(16))
}

function leftovers(): string[] {
  const temporary = join(root, '~temporary')
  return existsSync(temporary) ? readdirSync(temporary) : []
}

describe('directory store', () => {
  for (const { name, run } of storeCases) {
    it(name, async () => {
      const opened = [bare()]
      const again = (): DirectoryStore => {
        const store = bare()
        opened.push(store)
        return store
      }
      await run({ store: opened[0], again })
      for (const store of opened) store.closeSync()
      expect(leftovers()).toEqual([])
    })
  }
  for (const { name, run } of localStoreCases) {
    it(name, async () => {
      const store = bare()
      await run(store)
      store.closeSync()
    })
  }

  it('keeps files 0600 and folders 0700', () => {
    const store = openDirectoryStore(root, { create: true })
    store.putSync('a/b/c', Buffer.from('x'))
    for (const path of ['', 'a', 'a/b', '~temporary']) expect(statSync(join(root, path)).mode & 0o777).toBe(0o700)
    for (const path of ['a/b/c', 'store.json', '~lock'].filter(name => existsSync(join(root, name))))
      expect(statSync(join(root, path)).mode & 0o777).toBe(0o600)
    store.closeSync()
  })

  it('removes folders that a deletion empties, and no other', () => {
    const store = bare()
    store.putSync('a/b/c', Buffer.from('x'))
    store.putSync('a/d', Buffer.from('x'))
    store.deleteSync(['a/b/c'])
    expect(readdirSync(join(root, 'a'))).toEqual(['d'])
    store.deleteSync(['a/d'])
    expect(existsSync(join(root, 'a'))).toBe(false)
    expect(existsSync(root)).toBe(true)
    store.closeSync()
  })
})

/** Runs `body` (a module's text, with `store` opened on the root) in a process of its own. */
function inProcess(body: string): Promise<string> {
  const dist = join(import.meta.dirname, '../../../dist/store/directory/index.js')
  const program = `import { openDirectoryStore } from ${JSON.stringify(dist)}
    const store = openDirectoryStore(${JSON.stringify(root)})
    const put = (key, text, options) => { try { store.putSync(key, Buffer.from(text), options); return true } catch (e) { if (e.code !== 'ERR_PRECONDITION') throw e; return false } }
    ${body}`
  return promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env } }).then(({ stdout }) => stdout)
}

describe('several processes on one directory', () => {
  it('let one of 20 win each ifAbsent and each ifMatch, and lose no increment', async () => {
    const store = openDirectoryStore(root, { create: true })
    const { version } = store.putSync('swap', Buffer.from('start'))
    store.putSync('counter', Buffer.from('0'))
    const outputs = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        inProcess(`
          const wins = [put('make', 'process ${i}', { ifAbsent: true }), put('swap', 'process ${i}', { ifMatch: ${JSON.stringify(version)} })]
          for (let n = 0; n < 5;) {
            const found = store.getSync('counter')
            if (put('counter', String(Number(found.bytes.toString()) + 1), { ifMatch: found.version })) n++
          }
          console.log(JSON.stringify(wins))`),
      ),
    )
    const wins = outputs.map(output => JSON.parse(output) as [boolean, boolean])
    for (const which of [0, 1] as const) {
      const winners = wins.flatMap((won, i) => (won[which] ? [i] : []))
      expect(winners).toHaveLength(1)
      expect(store.getSync(which === 0 ? 'make' : 'swap')?.bytes.toString()).toBe(`process ${winners[0]}`)
    }
    expect(store.getSync('counter')?.bytes.toString()).toBe('100')
    store.closeSync()
  }, 300_000)

  it('agree on the id of a store that they make at once', async () => {
    mkdirSync(root)
    const opened = Array.from({ length: 5 }, () => openDirectoryStore(root, { create: true }))
    expect(new Set(opened.map(store => store.id)).size).toBe(1)
    expect(opened[0].id).toMatch(/^[0-9a-f]{16}$/)
    for (const store of opened) store.closeSync()
  })

  it('are not held up by one that was killed while it held the lock', async () => {
    const store = openDirectoryStore(root, { create: true })
    store.putSync('k', Buffer.from('before'))
    await assert.rejects(
      inProcess(`
        import { openSync } from 'node:fs'
        import { flock } from ${JSON.stringify(join(import.meta.dirname, '../../../dist/sys/libc.js'))}
        if (flock(openSync(${JSON.stringify(join(root, '~lock'))}, 'a+'), 2) !== 0) process.exit(3)
        process.kill(process.pid, 'SIGKILL')`),
      { signal: 'SIGKILL' },
    )
    store.putSync('k', Buffer.from('after'), { ifMatch: store.headSync('k')?.version })
    expect(store.getSync('k')?.bytes.toString()).toBe('after')
    store.closeSync()
  })
})

describe('a crash in the middle of a put', () => {
  const points = crashPoints.filter(point => point.startsWith('store.'))
  for (const point of points) {
    for (const options of [{}, { ifAbsent: true }, { ifMatch: 'current' }, { remove: true }]) {
      it(`at ${point} (${JSON.stringify(options)}) leaves the old object or the new one, and a store that works`, () => {
        const store = openDirectoryStore(root, { create: true })
        const key = 'ifAbsent' in options ? 'fresh' : 'k'
        const { version } = store.putSync('k', Buffer.from('old'))
        crashAt(point)
        let crashed = false
        try {
          if ('remove' in options) store.deleteSync(['k'])
          else store.putSync(key, Buffer.from('new'), 'ifMatch' in options ? { ifMatch: version } : options)
        } catch (error) {
          crashed = error === CRASH
          if (!crashed) throw error
        }
        onCrashPoint(undefined)
        expect(crashed).toBe('remove' in options === (point === 'store.delete.before'))
        const again = openDirectoryStore(root)
        const now = again.getSync(key)?.bytes.toString()
        if (crashed) expect(now).toBe(point === 'store.put.after-rename' ? 'new' : key === 'k' ? 'old' : undefined)
        again.putSync(key, Buffer.from('later'), now === undefined ? { ifAbsent: true } : { ifMatch: again.headSync(key)?.version })
        expect(again.getSync(key)?.bytes.toString()).toBe('later')
        again.closeSync()
        store.closeSync()
      })
    }
  }
})

const CRASH = new Error('crash')

function crashAt(wanted: CrashPoint): void {
  onCrashPoint(point => {
    if (point === wanted) throw CRASH
  })
}

describe('opening', () => {
  const code = (path: string, options = {}): string | undefined => {
    try {
      openDirectoryStore(path, options).closeSync()
      return undefined
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it('says what is wrong with the path', () => {
    expect(code(root)).toBe('ERR_STORE_UNKNOWN')
    mkdirSync(root)
    expect(code(root)).toBe('ERR_STORE_UNKNOWN')
    writeFileSync(join(folder, 'file'), '')
    expect(code(join(folder, 'file'), { create: true })).toBe('ERR_STORE_PATH')
    expect(code(join(folder, 'file/in'), { create: true })).toBe('ERR_STORE_PATH')
    writeFileSync(join(root, 'holiday.jpg'), '')
    expect(code(root, { create: true })).toBe('ERR_STORE_PATH')
    expect(existsSync(join(root, 'store.json'))).toBe(false)
  })

  it('refuses a newer format, and damage', () => {
    expect(code(root, { create: true })).toBe(undefined)
    for (const [text, expected] of [
      ['{"format":3,"id":"0123456789abcdef"}', 'ERR_FORMAT'],
      ['{"format":1,"id":"xyz"}', 'ERR_CORRUPT'],
      ['{"format":1', 'ERR_CORRUPT'],
      ['', 'ERR_CORRUPT'],
      ['null', 'ERR_CORRUPT'],
    ]) {
      writeFileSync(join(root, 'store.json'), text)
      expect(code(root)).toBe(expected)
      expect(code(root, { create: true })).toBe(expected)
    }
  })

  it('removes temporary files of long ago, and leaves those that may be in use', () => {
    openDirectoryStore(root, { create: true }).closeSync()
    const path = (name: string): string => join(root, '~temporary', name)
    writeFileSync(path('old'), '')
    writeFileSync(path('new'), '')
    utimesSync(path('old'), new Date(0), new Date(0))
    openDirectoryStore(root).closeSync()
    expect(readdirSync(join(root, '~temporary'))).toEqual(['new'])
  })

  it.skipIf(process.getuid?.() !== 0)('by a user without the right to it says so', () => {
    openDirectoryStore(root, { create: true }).closeSync()
    chmodSync(folder, 0o755)
    chmodSync(root, 0o500)
    const program = `import { openDirectoryStore } from ${JSON.stringify(join(import.meta.dirname, '../../../dist/store/directory/index.js'))}
      process.setuid(65534)
      try { openDirectoryStore(${JSON.stringify(root)}) } catch (e) { console.log(e.code) }`
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })).toBe('ERR_STORE_ACCESS\n')
  })
})

const canMount = process.getuid?.() === 0 && process.platform === 'linux'

describe.skipIf(!canMount)('a small disk', () => {
  beforeEach(() => {
    mkdirSync(root)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', root])
  })
  afterEach(() => {
    execFileSync('umount', [root])
  })

  it('that is full gives ENOSPC, keeps what was there, and works again with room', () => {
    const store = openDirectoryStore(root, { create: true })
    const { version } = store.putSync('head', Buffer.from('kept'))
    store.putSync('filler', Buffer.alloc(700_000, 1))
    expect(() => store.putSync('big', Buffer.alloc(700_000, 2))).toThrow(expect.objectContaining({ code: 'ENOSPC', errno: -28 }))
    expect(() => store.putSync('head', Buffer.alloc(700_000, 2), { ifMatch: version })).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(store.getSync('big')).toBe(undefined)
    expect(store.getSync('head')?.bytes.toString()).toBe('kept')
    expect(leftovers()).toEqual([])
    store.deleteSync(['filler'])
    store.putSync('big', Buffer.alloc(700_000, 2))
    store.putSync('head', Buffer.from('changed'), { ifMatch: version })
    store.closeSync()
  })

  it('takes over a file from another filesystem by a copy, wholly or not at all', () => {
    const store = openDirectoryStore(root, { create: true })
    const path = join(folder, 'pack')
    writeFileSync(path, Buffer.alloc(600_000, 3))
    store.adoptSync('packs/a', path)
    expect(existsSync(path)).toBe(false)
    expect(Buffer.alloc(600_000, 3).equals(store.getSync('packs/a')?.bytes ?? Buffer.alloc(0))).toBe(true)
    writeFileSync(path, Buffer.alloc(600_000, 4))
    expect(() => store.adoptSync('packs/b', path)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(existsSync(path)).toBe(true)
    expect(store.getSync('packs/b')).toBe(undefined)
    expect(leftovers()).toEqual([])
    store.closeSync()
  })
})
