// What a kernel does with the requests of a FUSE server that is killed in the middle of one, when somebody else holds the
// descriptor of /dev/fuse and a new server asks for them again (NOTIFY_RESEND).
//   npm run build && node bench/experiments/resend.mjs          (as root)
// For each of READ, CREATE, RENAME, UNLINK: the server dies before, or after, it applied the change; what is sent again, with
// which id, and how long the client waits. Then: what happens when nobody asks.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FuseHandler, FuseLoop, mountFuse, resend, unmountFuse } from '../../dist/fuse/index.js'

const opNames = { 1: 'LOOKUP', 3: 'GETATTR', 10: 'UNLINK', 12: 'RENAME', 14: 'OPEN', 15: 'READ', 18: 'RELEASE', 35: 'CREATE', 45: 'RENAME2', 52: 'STATX' }
const root = 1

/** A directory of empty or one-line files, whose state survives in one JSON file. */
function tinyFileSystem(file) {
  const state = JSON.parse(readFileSync(file, 'utf8'))
  const save = () => writeFileSync(file, JSON.stringify(state))
  const attr = { mode: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 0, blocks: 0, flags: 0 }
  for (const t of ['atime', 'mtime', 'ctime', 'btime']) attr[`${t}S`] = attr[`${t}Ns`] = 0
  let tag
  const commit = () => {
    if (tag !== undefined) state.applied.push(tag)
    tag = undefined
    save()
    return 0
  }
  const getattr = ino => {
    attr.mode = ino === root ? 0o40755 : 0o100644
    attr.size = ino === root ? 0 : 5
    return 0
  }
  const find = name => state.names[name] ?? -2
  return {
    session: {
      rootIno: root,
      usage: { inodes: 1, bytes: 0 },
      discard: () => {
        tag = undefined
      },
      tagRequest: (_, high, low) => {
        tag = `${high}:${low}`
      },
      wasApplied: (_, high, low) => state.applied.includes(`${high}:${low}`),
      syncNow: () => 0,
    },
    attr,
    getattr,
    find: (_, name) => find(name),
    lookup: (_, name) => {
      const ino = find(name)
      if (ino > 0) getattr(ino)
      return ino
    },
    mknod: (_, name) => {
      if (find(name) > 0) return -17
      state.names[name] = state.next++
      commit()
      getattr(state.names[name])
      return state.names[name]
    },
    unlink: (_, name) => {
      if (find(name) < 0) return -2
      delete state.names[name]
      return commit()
    },
    rename: (_, from, __, to) => {
      if (find(from) < 0) return -2
      state.names[to] = state.names[from]
      delete state.names[from]
      return commit()
    },
    open: () => 0,
    release: () => undefined,
    forget: () => undefined,
    touch: () => 0,
    read: (_, offset, into, at, length) => (offset > 0 ? 0 : into.write('data\n', at, Math.min(5, length))),
    getxattr: () => -61,
  }
}

/** Serves descriptor 3. `die` is an operation and when: it kills itself there, once. */
function serve(file, generation, die) {
  const loop = new FuseLoop({ log: line => console.error(line) })
  const handler = new FuseHandler(loop.frame, tinyFileSystem(file), { mountId: 1 })
  if (generation > 1 && die?.resend !== false) {
    writeSync(3, resend())
    process.send({ resendAt: Date.now() })
  }
  const [op, when] = die?.at ?? []
  loop.add({
    fd: 3,
    handler: {
      handle(length) {
        const w = loop.frame.in32
        const name = opNames[w[1]] ?? String(w[1])
        if (generation > 1 && w[3] >= 0x80000000) process.send({ resent: name, id: `${w[3].toString(16)}:${w[2].toString(16)}` })
        else if (name.startsWith(op)) process.send({ first: name, id: `${w[3].toString(16)}:${w[2].toString(16)}` })
        const dying = generation === 1 && name.startsWith(op)
        if (dying && when === 'before') process.kill(process.pid, 'SIGKILL')
        const reply = handler.handle(length)
        if (dying) process.kill(process.pid, 'SIGKILL')
        return reply
      },
    },
    ended: () => process.exit(0),
  })
  loop.run()
}

function run(command) {
  const started = Date.now()
  return new Promise(resolve =>
    execFile('bash', ['-c', command], (error, out, err) => resolve({ code: error?.code ?? 0, out: (out + err).trim(), ms: Date.now() - started })),
  )
}

async function scenario(title, at, command, check, more = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-resend-'))
  const file = `${dir}.json`
  writeFileSync(file, JSON.stringify({ names: { a: 2, b: 3 }, next: 10, applied: [] }))
  const fd = mountFuse({ path: dir, name: 'resend' })
  const seen = []
  let generation = 0
  let killedAt = 0
  const start = () => {
    generation++
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', file, String(generation), JSON.stringify({ at, ...more })], {
      stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
    })
    child.on('message', message => seen.push(message))
    child.on('exit', (_, signal) => {
      if (signal !== 'SIGKILL') return
      killedAt = Date.now()
      if (more.restart !== false) start()
    })
  }
  start()
  await run(`stat ${dir}/a`)
  const result = await run(command.replaceAll('DIR', dir))
  const answeredMs = Date.now() - killedAt
  await new Promise(resolve => setTimeout(resolve, 20))
  const state = JSON.parse(readFileSync(file, 'utf8'))
  console.log(`${title}: exit ${result.code}${result.out ? ` ${JSON.stringify(result.out)}` : ''}; ${answeredMs} ms after the kill; ${check(state)}`)
  console.log(`   ${seen.map(m => (m.first ? `${m.first} ${m.id}` : m.resent ? `again ${m.resent} ${m.id}` : 'RESEND')).join(' · ')}`)
  unmountFuse(dir, { lazy: true })
}

if (process.argv[2] === 'serve') {
  serve(process.argv[3], Number(process.argv[4]), JSON.parse(process.argv[5]))
} else {
  const names = state => `names ${Object.keys(state.names).join(' ')}`
  for (const when of ['before', 'after']) {
    await scenario(`READ, killed ${when}`, ['READ', when], 'cat DIR/a', names)
    await scenario(`CREATE, killed ${when}`, ['CREATE', when], 'set -C; : > DIR/new', names)
    await scenario(`RENAME, killed ${when}`, ['RENAME', when], 'mv -T DIR/a DIR/moved', names)
    await scenario(`UNLINK, killed ${when}`, ['UNLINK', when], 'rm DIR/a', names)
  }
  const stuck = 'cat DIR/a & p=$!; sleep 1; kill -9 $p; sleep 0.5; grep State /proc/$p/status; cat DIR/b'
  await scenario('READ, a new server that does not ask', ['READ', 'before'], stuck, names, { resend: false })
  process.exit(0)
}
