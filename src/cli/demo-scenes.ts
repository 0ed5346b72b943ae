import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import type { CairnApi } from '../sdk/types.js'
import type { Demo } from './demo.js'
import { end, serversOf } from './demo-cleanup.js'
import { inSqlite, run, sqliteProgram, writeAndDie } from './demo-programs.js'
import { duration, plural } from './format.js'
import type { Files } from './places.js'

const VOLUME = 'demo'
const SOURCE_FILES = 200
const ROWS = 500

/** Something is not as it was promised: the demo fails. */
function broken(what: string): CairnError {
  return new CairnError('ERR_DEMO', `The demo failed: ${what}.`, 'Run `cairn doctor`, then report it with the output of `cairn demo --json`.')
}

/** Content of every file below a folder by its path: a hash, or a link's target. */
async function snapshot(files: Pick<Files, 'readdir' | 'lstat' | 'readFile' | 'readlink'>, root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const visit = async (path: string, below: string): Promise<void> => {
    await Promise.all(
      (await files.readdir(path)).map(async name => {
        const full = path === '/' ? `/${name}` : `${path}/${name}`
        const stat = await files.lstat(full)
        if (stat.isDirectory()) await visit(full, `${below}/${name}`)
        else if (stat.isSymbolicLink()) found.set(`${below}/${name}`, `-> ${await files.readlink(full, 'utf8')}`)
        else
          found.set(
            `${below}/${name}`,
            createHash('sha256')
              .update(await files.readFile(full))
              .digest('hex'),
          )
      }),
    )
  }
  await visit(root, '')
  return found
}

function compare(before: Map<string, string>, after: Map<string, string>): void {
  for (const [path, content] of before) if (after.get(path) !== content) throw broken(`${path} is ${after.has(path) ? 'changed' : 'lost'}`)
  for (const path of after.keys()) if (!before.has(path)) throw broken(`${path} appeared from nowhere`)
}

const host = { lstat, readdir, readFile, readlink } as unknown as Files

export async function runMounted(demo: Demo): Promise<void> {
  const at = demo.mountpoint
  const cairn = await demo.cairn()
  await demo.step('make a volume', async () => `id ${(await cairn.createVolume({ name: VOLUME, dev: true })).id}`)
  await demo.step('mount it', async () => (await cairn.mount({ name: VOLUME, path: at })).mountpoint)
  await work(demo, at)
  const before = await snapshot(host, at)
  await demo.step('kill -9 all that serves it', async () => {
    const pids = await serversOf(cairn.home)
    if (pids.length === 0) throw broken('nothing serves the mount')
    await end(pids, 'SIGKILL')
    return `pids ${pids.join(', ')}: ${await lstat(at).then(
      () => 'gone',
      error => `gone, the mount says ${(error as NodeJS.ErrnoException).code}`,
    )}`
  })
  const again = await demo.cairn()
  await demo.step('mount it again', async () => (await again.mount({ name: VOLUME, path: at })).mountpoint)
  await demo.step('compare every file', async () => {
    compare(before, await snapshot(host, at))
    return `${plural(before.size, 'file')}, every byte as it was`
  })
  await checkPrograms(demo, at)
  await history(demo, again, async () => {
    await writeFile(join(at, 'project/src/file-7.txt'), 'changed after the checkpoint\n')
    await writeFile(join(at, 'new.txt'), 'new\n')
  })
  await demo.step('read the same files in process', async () => {
    const volume = await again.open(VOLUME)
    try {
      compare(await snapshot(host, at), await snapshot(volume.fs.promises, '/'))
    } finally {
      await volume.close()
    }
    return 'the volume as a node:fs object holds the same bytes as the mount'
  })
  await demo.step('unmount', async () => {
    if (!(await again.unmount(VOLUME))) throw broken('it was not mounted any more')
    return 'flushed first'
  })
}

/** Ordinary programs, which know nothing of Cairn. */
async function work(demo: Demo, at: string): Promise<void> {
  const project = join(at, 'project')
  await demo.step(`write ${SOURCE_FILES} files`, async () => {
    await mkdir(join(project, 'src'), { recursive: true })
    for (let i = 0; i < SOURCE_FILES; i++) await writeFile(join(project, 'src', `file-${i}.txt`), `file ${i}\n`.repeat((i % 40) + 1))
    return 'node:fs on the mount'
  })
  await optional(demo, 'git init, add, commit', 'git', async () => {
    await run('git', ['init', '-q', '-b', 'main'], project)
    await run('git', ['add', '-A'], project)
    await run('git', ['-c', 'user.name=demo', '-c', 'user.email=demo@example.com', 'commit', '-q', '-m', 'first'], project)
    return (await run('git', ['rev-parse', '--short', 'HEAD'], project)).trim()
  })
  await optional(demo, 'tar and untar', 'tar', async () => {
    await run('tar', ['-cf', 'src.tar', '-C', 'project', 'src'], at)
    await mkdir(join(at, 'unpacked'))
    await run('tar', ['-xf', 'src.tar', '-C', 'unpacked'], at)
    return plural((await readdir(join(at, 'unpacked/src'))).length, 'file')
  })
  const sqlite = await sqliteProgram()
  if (sqlite === undefined) return demo.say('  (no SQLite here: neither python3 with sqlite3 nor node:sqlite)')
  await demo.step(`SQLite, ${ROWS} rows in WAL mode`, async () => {
    const rows = await inSqlite(sqlite, 'write', join(at, 'notes.db'), ROWS)
    return `${rows} rows, by ${sqlite}`
  })
}

async function optional(demo: Demo, step: string, program: string, action: () => Promise<string>): Promise<void> {
  const there = await run(program, ['--version'], '/').then(
    () => true,
    () => false,
  )
  if (there) await demo.step(step, action)
  else await demo.say(`  (${program} is not installed, so this step is left out: ${step})`)
}

async function checkPrograms(demo: Demo, at: string): Promise<void> {
  const names = await readdir(at)
  if ((await readdir(join(at, 'project'))).includes('.git')) {
    await demo.step('git fsck, git status', async () => {
      await run('git', ['fsck', '--full', '--strict'], join(at, 'project'))
      const changes = await run('git', ['status', '--porcelain'], join(at, 'project'))
      if (changes !== '') throw broken(`git sees changes: ${changes}`)
      return 'sound, clean'
    })
  }
  const sqlite = await sqliteProgram()
  if (sqlite !== undefined && names.includes('notes.db')) {
    await demo.step('SQLite integrity check', async () => {
      const rows = await inSqlite(sqlite, 'check', join(at, 'notes.db'), ROWS)
      if (rows !== ROWS) throw broken(`${rows} of ${ROWS} rows are there`)
      return `ok, ${rows} rows`
    })
  }
}

/** Checkpoint, change, diff, fork: the same with and without a mount. */
async function history(demo: Demo, cairn: CairnApi, change: () => Promise<void>): Promise<void> {
  await demo.step('checkpoint', async () => `${VOLUME}@before is ${(await cairn.checkpoint(VOLUME, 'before')).id}`)
  await change()
  await demo.step('diff since the checkpoint', async () => {
    const changes = await cairn.diff({ volume: VOLUME, ref: 'before' }, { volume: VOLUME })
    const paths = changes.map(one => one.path)
    if (!paths.includes('/new.txt') || !paths.includes('/project/src/file-7.txt')) throw broken(`the diff shows ${paths.join(', ') || 'nothing'}`)
    return changes.map(one => `${one.kind} ${one.path}`).join(', ')
  })
  await demo.step('fork from the checkpoint', async () => {
    const started = performance.now()
    await cairn.fork(VOLUME, 'before', 'demo-fork')
    const ms = performance.now() - started
    const fork = await cairn.open('demo-fork')
    try {
      if ((await fork.fs.promises.readdir('/')).includes('new.txt')) throw broken('the fork shows a later change')
      await fork.fs.promises.writeFile('/only-here.txt', 'a fork is a volume of its own\n')
    } finally {
      await fork.close()
    }
    return `shares every byte, ${duration(ms)}; written to without touching its parent`
  })
}

/** Without a mount: a process writes and is killed; what it had acknowledged is there. */
export async function runInProcess(demo: Demo): Promise<void> {
  const cairn = await demo.cairn()
  await demo.step('make a volume', async () => `id ${(await cairn.createVolume({ name: VOLUME, dev: true })).id}`)
  let acknowledged = 0
  await demo.step('kill -9 a process that writes', async () => {
    acknowledged = await writeAndDie(cairn.home, VOLUME, SOURCE_FILES)
    return `after ${plural(acknowledged, 'acknowledged file')}`
  })
  await demo.step('compare every file', async () => {
    const volume = await cairn.open(VOLUME)
    try {
      for (let i = 0; i < acknowledged; i++) {
        const text = await volume.fs.promises.readFile(`/project/src/file-${i}.txt`, 'utf8').catch(() => undefined)
        if (text !== `file ${i}\n`) throw broken(`file ${i} is ${text === undefined ? 'lost' : 'changed'}`)
      }
    } finally {
      await volume.close()
    }
    return `${plural(acknowledged, 'file')}, every byte as it was`
  })
  await history(demo, cairn, async () => {
    const volume = await cairn.open(VOLUME)
    await volume.fs.promises.writeFile('/project/src/file-7.txt', 'changed after the checkpoint\n')
    await volume.fs.promises.writeFile('/new.txt', 'new\n')
    await volume.close()
  })
}
