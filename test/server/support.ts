import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { listFuseMounts, unmountFuse } from '../../src/fuse/index.js'
import { Cairn } from '../../src/sdk/cairn.js'
import { endServers } from '../support/end-servers.js'

/** Mounting is possible here. */
export const canMount = ((): boolean => {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
})()

export interface Home {
  /** A folder of the test's own. */
  folder: string
  /** CAIRN_HOME in it. */
  home: string
  mountpoint: string
  log(): string
}

const homes: Home[] = []
const children = new Set<ChildProcess>()
const opened: Cairn[] = []

export function makeHome(): Home {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-server-'))
  const home = join(folder, 'home')
  const made: Home = { folder, home, mountpoint: join(folder, 'mnt'), log: () => readFileSync(join(made.home, 'run', 'server.log'), 'utf8') }
  homes.push(made)
  return made
}

export async function openCairn(home: Home, via: 'auto' | 'server' | 'process' = 'auto'): Promise<Cairn> {
  const cairn = await Cairn.open({ home: home.home, via })
  opened.push(cairn)
  return cairn
}

export interface Pids {
  supervisor: number
  server: number
}

export function pidsOf(home: Home): Pids {
  const { pid, serverPid } = JSON.parse(readFileSync(join(home.home, 'run', 'supervisor.json'), 'utf8')) as { pid: number; serverPid: number }
  return { supervisor: pid, server: serverPid }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // Nobody may have collected it yet; and while one of its threads lasts, its sockets take calls.
    return readdirSync(`/proc/${pid}/task`).some(thread => !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')))
  } catch {
    return false
  }
}

/** Asks until it is so; the test's own time limit ends it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(resolve => setTimeout(resolve, 10))
}

/** SIGKILL to the supervisor and its server: nothing is left that serves. */
export async function killBoth(home: Home): Promise<void> {
  const { supervisor, server } = pidsOf(home)
  process.kill(supervisor, 'SIGKILL')
  process.kill(server, 'SIGKILL')
  await until(() => !isAlive(supervisor) && !isAlive(server))
}

export interface Program {
  child: ChildProcess
  /** Resolves when it printed a line that starts so; rejects when it ends before. */
  printed(start: string): Promise<string>
  /** Its exit code and all that it printed. */
  ended: Promise<{ code: number | null; output: string }>
}

/** A program of its own: Node with a module's text, which has the built package as `dist(name)`. */
export function program(code: string, args: string[] = [], env: Record<string, string> = {}): Program {
  const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
  const text = `const dist = name => import(${JSON.stringify(`file://${dist}`)} + name);\n${code}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  children.add(child)
  let output = ''
  const looking = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk
      for (const look of looking) look()
    })
  }
  const ended = new Promise<{ code: number | null; output: string }>(resolve => child.on('close', exit => resolve({ code: exit, output })))
  const printed = (start: string) =>
    new Promise<string>((resolve, reject) => {
      const look = (): void => {
        const line = output.split('\n').find(one => one.startsWith(start))
        if (line === undefined) return
        looking.delete(look)
        resolve(line)
      }
      looking.add(look)
      look()
      void ended.then(({ code }) => reject(new Error(`the program ended with ${code} before it printed "${start}": ${output}`)))
    })
  return { child, printed, ended }
}

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  for (const cairn of opened.splice(0)) await cairn.close().catch(() => undefined)
  for (const home of homes.splice(0)) {
    for (const { path } of listFuseMounts()) if (path.startsWith(`${home.folder}/`)) unmountFuse(path, { lazy: true })
    await endServer(home)
    rmSync(home.folder, { recursive: true, force: true })
  }
})

async function endServer(home: Home): Promise<void> {
  let pids: Pids
  try {
    pids = pidsOf(home)
  } catch {
    return
  }
  for (const pid of [pids.supervisor, pids.server]) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pids.supervisor) && !isAlive(pids.server))
  await endServers(home.home)
}

/** Runs a script of Python as `program` does; its standard input is that of the child. */
export function python(code: string, ...args: string[]): Program {
  return program(
    `const { spawn } = await import('node:child_process')
    const child = spawn('python3', ['-c', ${JSON.stringify(code)}, ...process.argv.slice(1)], { stdio: ['pipe', 'inherit', 'inherit'] })
    process.stdin.pipe(child.stdin)
    child.on('exit', (code, signal) => { console.log('ended', signal ?? code); process.exit() })`,
    args,
  )
}
