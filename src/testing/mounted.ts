import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { unmountFuse } from '../fuse/mount.js'
import type { FuseHostOptions, FuseHostReport } from './fuse-host.js'

/** CAIRN_TEST_DIST: another build than `dist`, for tests while that is being made. */
const program = join(process.env['CAIRN_TEST_DIST'] ?? fileURLToPath(new URL('../../dist', import.meta.url)), 'testing/fuse-host.js')

/** Why nothing can be mounted here; undefined when it can. */
export function whyNoMount(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has /dev/fuse'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return `/dev/fuse: ${(error as NodeJS.ErrnoException).code}`
  }
}

export interface Output {
  code: number
  out: string
}

/** A filesystem in memory, mounted, and served by a process of its own. */
export class Mounted {
  readonly dir: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(dir: string, child: ChildProcess) {
    this.dir = dir
    this.#child = child
    if (child.stdout === null) throw new Error('the host has no output')
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  static async start(options: Omit<FuseHostOptions, 'path'> = {}): Promise<Mounted> {
    const dir = realpathSync(mkdtempSync(join(tmpdir(), 'cairn mount-')))
    const child = spawn(process.execPath, [program, JSON.stringify({ ...options, path: dir })], { stdio: ['ignore', 'pipe', 'inherit'] })
    const mounted = new Mounted(dir, child)
    const first = await mounted.#lines.next()
    if (first.value !== 'ready') throw new Error('the host of the mount did not start')
    return mounted
  }

  /** Runs a shell command in the mount. */
  sh(command: string): Promise<Output> {
    return new Promise(resolve => {
      execFile('bash', ['-c', command], { cwd: this.dir, timeout: 300_000, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 99), out: (out + err).trimEnd() })
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Unmounts, and waits for what the host counted. */
  async stop(): Promise<FuseHostReport> {
    unmountFuse(this.dir, { lazy: true })
    const last = await this.#lines.next()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    rmdirSync(this.dir)
    return JSON.parse(last.value) as FuseHostReport
  }

  /** SIGKILL: the mount stays, dead. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    if (this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}
