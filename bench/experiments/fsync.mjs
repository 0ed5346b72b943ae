// fsync through a mount: in the loop, or on a thread of its own where those who wait share one fdatasync.
//   npm run build && node bench/experiments/fsync.mjs [FOLDER FOR THE JOURNAL]          (as root)
// Every client appends 4 KiB to its own file and calls fsync, for 3 s; meanwhile, where the table says so, one more client stats
// missing names every millisecond, each of which is a request. The journal is a preallocated file to which the server writes 4 KiB for each WRITE.
import { execFile, spawn } from 'node:child_process'
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const dist = process.env.CAIRN_TEST_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url))
const { FuseHandler, FuseLoop, mountFuse, SyncThread, SYNC_LATER, syncPolicy, unmountFuse } = await import(join(dist, 'fuse/index.js'))
const libc = await import(join(dist, 'sys/libc.js'))
const { FileSystem } = await import(join(dist, 'fs/index.js'))
const { MemorySession } = await import(join(dist, 'testing/memory-session.js'))

const SECONDS = 3
const client = `
import os, sys, time
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY); b = b'x' * 4096; n = 0; t = []
end = time.perf_counter() + ${SECONDS}
while time.perf_counter() < end:
  s = time.perf_counter(); os.pwrite(fd, b, (n % 256) * 4096); os.fsync(fd); t.append(time.perf_counter() - s); n += 1
t.sort(); print(n, t[len(t) // 2] * 1000, t[len(t) * 99 // 100] * 1000)`
const prober = `
import os, sys, time
t = []; n = 0; end = time.perf_counter() + ${SECONDS}
while time.perf_counter() < end:
  s = time.perf_counter()
  try: os.stat('%s/missing%d' % (sys.argv[1], n))
  except FileNotFoundError: pass
  t.append(time.perf_counter() - s); n += 1; time.sleep(0.001)
t.sort(); print(n, t[len(t) // 2] * 1000, t[len(t) * 99 // 100] * 1000)`

function serve(dir, mode, journalFolder) {
  const journal = openSync(join(journalFolder, 'journal'), 'w+')
  libc.posixFallocate(journal, 0, 64 << 20)
  fdatasyncSync(journal)
  class Session extends MemorySession {
    syncs = 0
    syncTargets = () => [journal]
    syncNow() {
      this.syncs++
      fdatasyncSync(journal)
      return 0
    }
  }
  const session = new Session()
  const page = Buffer.alloc(4096, 1)
  let at = 0
  const loop = new FuseLoop({ onWake: () => sync.drain() })
  const sync = new SyncThread(loop.waker)
  const fd = mountFuse({ path: dir, name: 'fsync' })
  const always = (high, low) => (sync.defer(fd, high, low, [journal]) ? SYNC_LATER : session.syncNow())
  const handler = new FuseHandler(loop.frame, new FileSystem(session), {}, { sync: { inline: undefined, thread: always, policy: syncPolicy(fd, sync) }[mode] })
  const handle = length => {
    if (loop.frame.in32[1] === 16) {
      writeSync(journal, page, 0, 4096, at)
      at = (at + 4096) % (64 << 20)
    }
    return handler.handle(length)
  }
  loop.add({ fd, handler: { handle }, ended: () => loop.stop() })
  writeSync(1, 'ready\n')
  loop.run()
  writeSync(1, `${session.syncs} ${sync.rounds}\n`)
  process.exit(0)
}

const python = (program, arg) => new Promise(resolve => execFile('python3', ['-c', program, arg], (_, out) => resolve(out.trim().split(' ').map(Number))))

async function measure(mode, clients, probed, journalFolder) {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-fsync-'))
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', dir, mode, journalFolder], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  await new Promise(resolve => {
    child.stdout.on('data', data => {
      out += data
      if (out.includes('ready')) resolve()
    })
  })
  const probe = probed ? python(prober, dir) : undefined
  const results = await Promise.all(Array.from({ length: clients }, (_, i) => python(client, join(dir, `f${i}`))))
  const probes = await probe
  const lookups = probes === undefined ? 'none' : `${probes[1].toFixed(3)} / ${probes[2].toFixed(2)}`
  const ended = new Promise(resolve => child.on('exit', resolve))
  unmountFuse(dir, { lazy: true })
  await ended
  rmSync(dir, { recursive: true })
  const [inline, rounds] = out.split('\n')[1].split(' ').map(Number)
  const total = results.reduce((sum, [n]) => sum + n, 0)
  const mean = at => (results.reduce((sum, r) => sum + r[at], 0) / clients).toFixed(2)
  console.log(`| ${mode} | ${clients} | ${Math.round(total / SECONDS)} | ${mean(1)} / ${mean(2)} | ${lookups} | ${inline} | ${rounds} |`)
}

async function native(folder) {
  const file = join(folder, 'native')
  writeFileSync(file, Buffer.alloc(1 << 20))
  const [n, median, p99] = await python(client, file)
  console.log(`| no mount: the same file system | 1 | ${Math.round(n / SECONDS)} | ${median.toFixed(2)} / ${p99.toFixed(2)} | | | |`)
}

if (process.argv[2] === 'serve') {
  serve(process.argv[3], process.argv[4], process.argv[5])
} else {
  const folder = mkdtempSync(join(process.argv[2] ?? '.', 'journal-'))
  console.log(
    "| sync | clients | fsyncs/s | client ms p50 / p99 | another client's LOOKUP ms p50 / p99 | inline syncs | rounds of the thread |\n|---|---|---|---|---|---|---|",
  )
  await native(folder)
  for (const [clients, probed] of [
    [1, false],
    [1, true],
    [8, true],
  ])
    for (const mode of ['inline', 'thread', 'policy']) await measure(mode, clients, probed, folder)
  rmSync(folder, { recursive: true })
}
