import { existsSync, writeFileSync } from 'node:fs'
import {
  appendFile,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MountedHome, run, until, whyNoMount } from './support/mounted-home.js'

interface Operation {
  name: string
  prepare?: (at: string) => Promise<unknown>
  /** Fails when it runs twice, or leaves something else. */
  run: (at: string) => Promise<unknown>
  check: (at: string) => Promise<unknown>
}

const names = async (at: string): Promise<string[]> => (await readdir(at)).sort()

async function xattr(code: string, path: string): Promise<void> {
  const { code: exit, output } = await run('python3', ['-c', `import os,sys\np=sys.argv[1]\n${code}`, path])
  if (exit !== 0) throw new Error(output)
}

const operations: Operation[] = [
  {
    name: 'CREATE with O_EXCL',
    run: async at => (await open(join(at, 'new'), 'wx')).close(),
    check: async at => expect((await stat(join(at, 'new'))).size).toBe(0),
  },
  { name: 'MKDIR', run: at => mkdir(join(at, 'new')), check: async at => expect((await stat(join(at, 'new'))).isDirectory()).toBe(true) },
  { name: 'MKNOD', run: at => xattr("os.mkfifo(p+'/fifo')", at), check: async at => expect((await lstat(join(at, 'fifo'))).isFIFO()).toBe(true) },
  {
    name: 'SYMLINK',
    run: at => symlink('target', join(at, 'new')),
    check: async at => expect(await readlink(join(at, 'new'))).toBe('target'),
  },
  {
    name: 'UNLINK',
    prepare: at => writeFile(join(at, 'old'), 'x'),
    run: at => unlink(join(at, 'old')),
    check: async at => expect(await names(at)).toEqual([]),
  },
  { name: 'RMDIR', prepare: at => mkdir(join(at, 'old')), run: at => rmdir(join(at, 'old')), check: async at => expect(await names(at)).toEqual([]) },
  {
    name: 'RENAME',
    prepare: at => writeFile(join(at, 'from'), 'moved'),
    run: at => rename(join(at, 'from'), join(at, 'to')),
    check: async at => {
      expect(await names(at)).toEqual(['to'])
      expect(await readFile(join(at, 'to'), 'utf8')).toBe('moved')
    },
  },
  {
    name: 'RENAME over another file',
    prepare: async at => {
      await writeFile(join(at, 'from'), 'moved')
      await writeFile(join(at, 'to'), 'replaced')
    },
    run: at => rename(join(at, 'from'), join(at, 'to')),
    check: async at => {
      expect(await names(at)).toEqual(['to'])
      expect(await readFile(join(at, 'to'), 'utf8')).toBe('moved')
    },
  },
  {
    name: 'LINK',
    prepare: at => writeFile(join(at, 'one'), 'x'),
    run: at => link(join(at, 'one'), join(at, 'two')),
    check: async at => expect((await stat(join(at, 'one'))).nlink).toBe(2),
  },
  {
    name: 'an append',
    prepare: at => writeFile(join(at, 'log'), 'before '),
    run: at => appendFile(join(at, 'log'), 'once'),
    check: async at => expect(await readFile(join(at, 'log'), 'utf8')).toBe('before once'),
  },
  {
    name: 'an append beyond the last block',
    prepare: at => writeFile(join(at, 'log'), Buffer.alloc(70_000, 1)),
    run: at => appendFile(join(at, 'log'), Buffer.alloc(70_000, 2)),
    check: async at => expect(await readFile(join(at, 'log'))).toEqual(Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(70_000, 2)])),
  },
  {
    name: 'WRITE',
    prepare: at => writeFile(join(at, 'file'), 'abcdef'),
    run: async at => {
      const file = await open(join(at, 'file'), 'r+')
      await file.write('XY', 2)
      await file.close()
    },
    check: async at => expect(await readFile(join(at, 'file'), 'utf8')).toBe('abXYef'),
  },
  {
    name: 'SETATTR of the size',
    prepare: at => writeFile(join(at, 'file'), 'abcdef'),
    run: at => truncate(join(at, 'file'), 3),
    check: async at => expect(await readFile(join(at, 'file'), 'utf8')).toBe('abc'),
  },
  {
    name: 'SETXATTR with XATTR_CREATE',
    prepare: at => writeFile(join(at, 'file'), ''),
    run: at => xattr("os.setxattr(p+'/file','user.a',b'v',os.XATTR_CREATE)", at),
    check: at => xattr("assert os.getxattr(p+'/file','user.a')==b'v'", at),
  },
  {
    name: 'REMOVEXATTR',
    prepare: async at => {
      await writeFile(join(at, 'file'), '')
      await xattr("os.setxattr(p+'/file','user.a',b'v')", at)
    },
    run: at => xattr("os.removexattr(p+'/file','user.a')", at),
    check: at => xattr("assert os.listxattr(p+'/file')==[]", at),
  },
]

describe.skipIf(whyNoMount() !== undefined)('a request that the server was killed in is answered by the next, and runs once', () => {
  for (const point of ['journal.append.before-write', 'journal.append.after-write'] as const) {
    describe(`killed at ${point}`, () => {
      let home: MountedHome
      let armed: string

      beforeAll(async () => {
        armed = join(await mkdtemp(join(tmpdir(), 'cairn-armed-')), 'armed')
        home = new MountedHome({ CAIRN_TEST_CRASH: `${point}@${armed}` })
        await home.must('init', 'w')
        await home.mount()
      })

      afterAll(() => home.end())

      it.each(operations)('$name', async ({ name, prepare, run: act, check }) => {
        const at = join(home.mountpoint, name.replaceAll(' ', '-'))
        await mkdir(at)
        await prepare?.(at)
        const { server } = home.pids()
        writeFileSync(armed, '')
        await act(at)
        expect(existsSync(armed)).toBe(false)
        await until(() => home.pids().server !== server)
        await check(at)
      })

      it('a file that is open but has no name keeps what was written, and takes more', async () => {
        const path = join(home.mountpoint, 'unnamed')
        const file = await open(path, 'wx+')
        await file.write('before')
        await unlink(path)
        const { server } = home.pids()
        writeFileSync(armed, '')
        await file.write(' and after', 6)
        await until(() => home.pids().server !== server)
        expect((await file.read(Buffer.alloc(100), 0, 100, 0)).buffer.toString('utf8', 0, 16)).toBe('before and after')
        expect((await file.stat()).nlink).toBe(0)
        await file.close()
      })

      it('and the volume is sound', async () => {
        expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
      })
    })
  }
})
