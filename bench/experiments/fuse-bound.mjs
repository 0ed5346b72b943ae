// What the FUSE loop alone reaches: every request is answered at once from memory, without a tree, a journal, a disk or a checksum.
// No file system behind this loop can be faster. `node bench/experiments/fuse-bound.mjs [--runs=5]`; needs root, `npm run build`, python3.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FuseLoop, mountFuse, raiseReadAhead, unmountFuse } from '../../dist/fuse/index.js'
import { machine, number, spread, table } from '../lib.mjs'

const ENOENT = -2
const ENODATA = -61
const ENOSYS = -38
const BIG_MIB = 256
const cpu = process.env.BENCH_CPU ?? '0'

if (process.argv[2] === 'serve') serve(process.argv[3])
else await measure()

/** Names exist once they were made, by hash only: inode numbers count up. */
function serve(path) {
  const loop = new FuseLoop()
  const { in: input, in32, out, out32 } = loop.frame
  const outI32 = new Int32Array(out32.buffer)
  out.fill(0x61, 16)
  const names = new Map()
  const sizes = new Map()
  let next = 2
  const ok = bytes => {
    out32[0] = 16 + bytes
    out32[1] = 0
    out32[2] = in32[2]
    out32[3] = in32[3]
    return 16 + bytes
  }
  const fail = errno => {
    ok(0)
    outI32[1] = errno
    return 16
  }
  const attr = (at, ino) => {
    const directory = ino === 1 || sizes.get(ino) === -1
    out32.fill(0, at, at + 22)
    out32[at] = ino
    out32[at + 2] = directory ? 0 : (sizes.get(ino) ?? 0)
    out32[at + 15] = directory ? 0o40755 : 0o100644
    out32[at + 16] = 1
    out32[at + 20] = 4096
  }
  const entry = ino => {
    out32.fill(0, 4, 36)
    out32[8] = 3600
    if (ino === 0) return ok(128)
    out32[4] = ino
    out32[10] = 3600
    attr(14, ino)
    return ok(128)
  }
  const name = at => `${in32[4]}/${input.latin1Slice(at, input.indexOf(0, at))}`
  const make = (key, size) => {
    const ino = next++
    names.set(key, ino)
    sizes.set(ino, size)
    return ino
  }
  const open = at => {
    out32.fill(0, at, at + 4)
    out32[at + 2] = 34
  }
  const operations = {
    1: () => entry(names.get(name(40)) ?? 0),
    2: () => 0,
    3: () => {
      out32.fill(0, 4, 8)
      out32[4] = 3600
      attr(8, in32[4])
      return ok(104)
    },
    4: () => operations[3](),
    9: () => entry(make(name(48), -1)),
    10: () => (names.delete(name(40)) ? ok(0) : fail(ENOENT)),
    14: () => {
      open(4)
      return ok(16)
    },
    // What lies in the reply's buffer is as good as anything.
    15: () => ok(Math.max(0, Math.min(in32[14], sizes.get(in32[4]) - in32[12]))),
    16: () => {
      const end = in32[12] + in32[14]
      if (end > sizes.get(in32[4])) sizes.set(in32[4], end)
      out32[4] = in32[14]
      out32[5] = 0
      return ok(8)
    },
    18: () => ok(0),
    20: () => ok(0),
    22: () => fail(ENODATA),
    26: () => {
      out32.fill(0, 4, 20)
      out32[4] = 7
      out32[5] = in32[11]
      out32[6] = 4 << 20
      out32[7] = in32[13] & ((1 << 0) | (1 << 3) | (1 << 5) | (1 << 18) | (1 << 22) | (1 << 25) | (1 << 28))
      out32[8] = 64 | (48 << 16)
      out32[9] = 1 << 20
      out32[10] = 1
      out32[11] = 256
      return ok(64)
    },
    35: () => {
      const key = name(56)
      const size = entry(names.get(key) ?? make(key, 0))
      open(36)
      return ok(size - 16 + 16)
    },
    42: () => 0,
  }
  const handler = { handle: () => operations[in32[1]]?.() ?? fail(ENOSYS) }
  loop.add({ fd: mountFuse({ path, name: 'bound' }), handler, ended: () => loop.stop() })
  raiseReadAhead(path)
  process.send('ready')
  loop.run()
  process.exit(0)
}

async function measure() {
  const runs = Number(process.argv.find(arg => arg.startsWith('--runs='))?.slice(7) ?? 5)
  const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-bound-'))
  const native = join(root, 'native')
  const ours = join(root, 'mount')
  mkdirSync(native)
  mkdirSync(ours)
  const server = spawn('taskset', ['-c', cpu, process.execPath, fileURLToPath(import.meta.url), 'serve', ours], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await new Promise(resolve => server.once('message', resolve))
  const rows = []
  try {
    const client = (work, rounds, count, sub) => {
      const directories = [native, ours].map(side => join(side, sub))
      for (const directory of directories) mkdirSync(directory, { recursive: true })
      const script = join(dirname(fileURLToPath(import.meta.url)), '../mount-client.py')
      const argv = ['-c', cpu, 'python3', script, work, String(rounds), String(count), ...directories]
      return JSON.parse(execFileSync('taskset', argv, { env: { ...process.env, STORE: native }, stdio: ['ignore', 'pipe', 'inherit'] }).toString())
    }
    const row = (title, [a, b], scale, unit) => {
      const middle = side => spread(side.map(([, each]) => each)).median
      const ratios = spread(a.map(([, each], i) => each / b[i][1]))
      rows.push([
        title,
        `${number(middle(a) * scale)} ${unit}`,
        `${number(middle(b) * scale)} ${unit}`,
        `${number(ratios.median)} (${number(ratios.min)}–${number(ratios.max)})`,
      ])
    }
    row('create+write 1 KiB+close', client('create', runs, 1000, 'made'), 1e6, 'µs')
    row('open+read+close, cached', client('cycle', runs, 1000, 'made'), 1e6, 'µs')
    row('unlink', client('unlink', runs, 1000, 'made'), 1e6, 'µs')
    row(`${BIG_MIB} MiB sequential write`, client('write', 1, BIG_MIB, 'big'), 1e3, 'ms')
    row(`sequential read of it, uncached`, client('read', runs, 0, 'big'), 1e3, 'ms')
  } finally {
    unmountFuse(ours, { lazy: true })
    server.kill()
    rmSync(native, { recursive: true, force: true })
  }
  console.log(`${machine()}; \`node bench/experiments/fuse-bound.mjs\`\n`)
  table(['pinned to one CPU', 'native', 'the loop alone', 'native over it'], rows)
}
