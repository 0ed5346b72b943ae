import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listFuseMounts, unmountFuse } from '../../src/fuse/mount.js'
import { endServers } from './end-servers.js'

const cairn = fileURLToPath(new URL('../../bin/cairn', import.meta.url))
export const programs = fileURLToPath(new URL('../programs', import.meta.url))

/** Why nothing can be mounted here; undefined when it can. */
export function whyNoMount(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return `/dev/fuse: ${(error as NodeJS.ErrnoException).code}`
  }
}

export interface Result {
  code: number
  output: string
}

/** Runs a program to its end. */
export function run(file: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Promise<Result> {
  return new Promise(resolve => {
    execFile(file, args, { ...options, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 99, output: `${out}${err}` })
    })
  })
}

/** A CAIRN_HOME of a test with one volume `w`, mounted by the command line and served as for any user. */
export class MountedHome {
  /** The command, for Node. */
  static readonly command = cairn
  readonly folder: string
  readonly home: string
  readonly mountpoint: string
  /** Outside the mount, on this machine's own disk. */
  readonly scratch: string
  readonly env: NodeJS.ProcessEnv
  readonly #children = new Set<ChildProcess>()

  constructor(env: NodeJS.ProcessEnv = {}, home?: string) {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-kill-')))
    this.home = home ?? join(this.folder, 'home')
    this.mountpoint = join(this.folder, 'mnt')
    this.scratch = this.folder
    this.env = { ...process.env, CAIRN_HOME: this.home, ...env }
  }

  cairn(...args: string[]): Promise<Result> {
    return run(process.execPath, [cairn, ...args], { env: this.env })
  }

  /** The same, and it must succeed. */
  async must(...args: string[]): Promise<string> {
    const { code, output } = await this.cairn(...args)
    if (code !== 0) throw new Error(`cairn ${args.join(' ')} exited with ${code}: ${output}\n${this.log()}`)
    return output
  }

  mount(): Promise<string> {
    return this.must('mount', 'w', this.mountpoint)
  }

  log(): string {
    try {
      return readFileSync(join(this.home, 'run', 'server.log'), 'utf8')
    } catch {
      return ''
    }
  }

  pids(): { supervisor: number; server: number } {
    const { pid, serverPid } = JSON.parse(readFileSync(join(this.home, 'run', 'supervisor.json'), 'utf8')) as { pid: number; serverPid: number }
    return { supervisor: pid, server: serverPid }
  }

  /** SIGKILL to the server alone; resolves when its supervisor has started another. */
  async killServer(): Promise<void> {
    const { server } = this.pids()
    kill(server)
    await until(() => this.pids().server !== server)
  }

  /** SIGKILL to all that serves: the mount is dead. */
  async killBoth(): Promise<void> {
    const { supervisor, server } = this.pids()
    kill(supervisor)
    kill(server)
    await until(() => !isAlive(supervisor) && !isAlive(server))
  }

  /** A client of the mount, with what it says; ended with the test if need be. */
  start(file: string, args: readonly string[]): Promise<Result> {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: this.env, cwd: this.scratch })
    this.#children.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        output += text
      })
    }
    return new Promise(resolve => {
      child.on('close', code => {
        this.#children.delete(child)
        resolve({ code: code ?? 99, output })
      })
    })
  }

  async end(): Promise<void> {
    if (existsSync(join(this.home, 'run', 'supervisor.json'))) await this.killBoth()
    await endServers(this.home)
    for (const { path } of listFuseMounts()) if (path.startsWith(`${this.folder}/`)) unmountFuse(path, { lazy: true })
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Asks until it is so; the test's own time limit ends it. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(10)
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
