import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { FsContext } from './fs-case.js'

/** One random operation; names come from a tiny pool, so that they collide. */
export type FuzzStep =
  | { do: 'write' | 'append'; path: string; size: number; fill: number; flag: string }
  | { do: 'overwrite'; path: string; at: number; size: number; fill: number }
  | { do: 'truncate'; path: string; size: number }
  | { do: 'mkdir' | 'mkdirs' | 'rmdir' | 'unlink' | 'rm' | 'stat' | 'lstat' | 'readdir' | 'readlink' | 'realpath' | 'read'; path: string }
  | { do: 'rename' | 'link' | 'copy' | 'cp'; path: string; to: string }
  | { do: 'symlink'; target: string; path: string }
  | { do: 'chmod'; path: string; mode: number }
  | { do: 'utimes' | 'lutimes'; path: string; time: number }

const name = fc.constantFrom('a', 'b', 'c', 'd')
const dots = fc.constantFrom('a', 'b', 'c', 'd', '.', '..')
/** Paths of up to three names below the root of the case, never above it: `..` stands behind a name only. */
const path = fc
  .tuple(name, fc.array(dots, { maxLength: 2 }), fc.boolean())
  .map(
    ([first, rest, slash]) => `${[first, ...(rest[0] === '..' && rest[1] === '..' ? rest.slice(1) : rest)].join('/')}${slash && rest.length === 0 ? '/' : ''}`,
  )
const plain = fc.tuple(name, fc.array(name, { maxLength: 2 })).map(([first, rest]) => [first, ...rest].join('/'))
const anyPath = fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: path })
const size = fc.constantFrom(0, 1, 100, 256, 257, 2048, 2049, 5000, 65536, 65537, 140_000)
const fill = fc.integer({ min: 1, max: 255 })

const step: fc.Arbitrary<FuzzStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('write' as const, 'append' as const), path: anyPath, size, fill, flag: fc.constantFrom('', '', 'x') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('overwrite' as const), path: anyPath, at: size, size, fill }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), path: anyPath, size }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('mkdir' as const, 'mkdirs' as const), path: anyPath }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('rmdir' as const, 'unlink' as const, 'rm' as const), path: anyPath }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('stat' as const, 'lstat' as const, 'readdir' as const, 'readlink' as const, 'realpath' as const, 'read' as const),
      path: anyPath,
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('rename' as const, 'link' as const, 'copy' as const), path: anyPath, to: anyPath }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('symlink' as const), target: anyPath.map(p => `${p}`), path: anyPath }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('chmod' as const), path: anyPath, mode: fc.integer({ min: 0, max: 0o777 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('utimes' as const, 'lutimes' as const), path: anyPath, time: fc.integer({ min: 1, max: 2_000_000_000 }) }),
  },
)

export const fuzzSteps: fc.Arbitrary<FuzzStep[]> = fc.array(step, { minLength: 1, maxLength: 40 })

type Target = Pick<FsContext, 'root'> & { p: Omit<FsContext['p'], 'glob'> }

/** What a step gave: a value that two filesystems must agree on. Nothing that depends on where the root is. */
export async function apply(t: Target, s: FuzzStep): Promise<unknown> {
  try {
    return await perform(t, s)
  } catch (error) {
    const e = error as NodeJS.ErrnoException & { dest?: string }
    if (e.code === undefined || !/^E[A-Z]/.test(e.code)) throw error
    return { code: e.code, syscall: e.syscall, path: strip(t, e.path), dest: strip(t, e.dest) }
  }
}

function strip(t: Target, text: string | undefined): string | undefined {
  return text?.replaceAll(t.root, '')
}

async function perform(t: Target, s: FuzzStep): Promise<unknown> {
  const { p } = t
  const at = `${t.root}/${s.path}`
  switch (s.do) {
    case 'write':
      return p.writeFile(at, Buffer.alloc(s.size, s.fill), { flag: `w${s.flag}` })
    case 'append':
      return p.writeFile(at, Buffer.alloc(s.size, s.fill), { flag: `a${s.flag}` })
    case 'overwrite':
      return overwrite(t, at, s)
    case 'truncate':
      return p.truncate(at, s.size)
    case 'mkdir':
      return p.mkdir(at)
    case 'mkdirs':
      return strip(t, await p.mkdir(at, { recursive: true }))
    case 'rmdir':
      return p.rmdir(at)
    case 'unlink':
      return p.unlink(at)
    case 'rm':
      // Through `.` and `..` node removes a tree halfway.
      return s.path.endsWith('.') ? undefined : p.rm(at, { recursive: true })
    case 'stat':
      return facts(await p.stat(at))
    case 'lstat':
      return facts(await p.lstat(at))
    case 'readdir':
      return p.readdir(at)
    case 'readlink':
      return p.readlink(at)
    case 'realpath':
      return strip(t, await p.realpath(at))
    case 'read':
      return digest(await p.readFile(at))
    case 'rename':
      return p.rename(at, `${t.root}/${s.to}`)
    case 'link':
      return p.link(at, `${t.root}/${s.to}`)
    case 'copy':
      // libuv opens, truncates and then removes the target before it finds that a directory cannot be copied.
      if (await isDirectory(t, at)) return 'a directory'
      return p.copyFile(at, `${t.root}/${s.to}`)
    case 'cp':
      return p.cp(at, `${t.root}/${s.to}`, { recursive: true })
    case 'symlink':
      return p.symlink(s.target, at)
    case 'chmod':
      return p.chmod(at, s.mode)
    case 'utimes':
      return p.utimes(at, s.time, s.time)
    case 'lutimes':
      return p.lutimes(at, s.time, s.time)
  }
}

async function isDirectory({ p }: Target, path: string): Promise<boolean> {
  return p.stat(path).then(
    s => s.isDirectory(),
    () => false,
  )
}

async function overwrite({ p }: Target, at: string, s: { at: number; size: number; fill: number }): Promise<unknown> {
  const handle = await p.open(at, 'r+')
  try {
    return (await handle.write(Buffer.alloc(s.size, s.fill), 0, s.size, s.at)).bytesWritten
  } finally {
    await handle.close()
  }
}

interface Seen {
  mode: number
  size: number
  nlink: number
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

/** What must agree: sizes of directories are each filesystem's own. */
function facts(s: Seen): Record<string, number> {
  return { mode: s.mode, nlink: s.nlink, size: s.isDirectory() ? 0 : s.size }
}

function digest(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex')
}

/** Every entry below the root: kind, mode, links, size, content or target. Hard links show as the first path of the same inode. */
export async function dump(t: Target): Promise<string[]> {
  const lines: string[] = []
  const first = new Map<number, string>()
  const walk = async (below: string): Promise<void> => {
    for (const entry of await t.p.readdir(t.root + below)) {
      const path = `${below}/${entry}`
      const s = await t.p.lstat(t.root + path)
      const same = first.get(s.ino)
      if (same === undefined) first.set(s.ino, path)
      const content = s.isSymbolicLink() ? await t.p.readlink(t.root + path) : s.isDirectory() ? '' : digest(await t.p.readFile(t.root + path))
      lines.push(`${path} ${JSON.stringify(facts(s))} ${content} ${same ?? ''}`)
      if (s.isDirectory()) await walk(path)
    }
  }
  await walk('')
  return lines
}
