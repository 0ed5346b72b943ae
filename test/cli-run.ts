import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { main } from '../src/cli/main.js'

export interface Ran {
  code: number
  out: string
  err: string
}

export const launcher = fileURLToPath(new URL('../bin/cairn', import.meta.url))

/** A throw-away folder with a CAIRN_HOME, and ways to run commands in it. */
export class CliRun {
  readonly folder = mkdtempSync(join(tmpdir(), 'cairn-cli-'))
  readonly home = join(this.folder, 'home')
  env: NodeJS.ProcessEnv = { PATH: process.env['PATH'], HOME: this.folder, CAIRN_HOME: this.home }

  path(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  /** The command in this process: fast, and the same code. */
  async cairn(...argv: string[]): Promise<Ran> {
    return this.fed('', ...argv)
  }

  /** The same with something on stdin. */
  async fed(input: string | Buffer, ...argv: string[]): Promise<Ran> {
    const out = new Collector()
    const err = new Collector()
    const code = await main(argv, { stdin: Readable.from([Buffer.from(input)]), stdout: out, stderr: err, env: this.env })
    return { code, out: out.text, err: err.text }
  }

  /** Fails the test unless the command succeeds. Returns its stdout. */
  async ok(...argv: string[]): Promise<string> {
    const { code, out, err } = await this.cairn(...argv)
    if (code !== 0) throw new Error(`cairn ${argv.join(' ')} exited with ${code}: ${err}`)
    return out
  }

  async json<T>(...argv: string[]): Promise<T> {
    return JSON.parse((await this.cairn(...argv, '--json')).out) as T
  }

  /** The command as a process of its own. */
  async spawned(argv: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Ran> {
    const child = spawn(process.execPath, [launcher, ...argv], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', text => (out += text))
    child.stderr.setEncoding('utf8').on('data', text => (err += text))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code: code ?? -1, out, err }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

class Collector extends Writable {
  private readonly parts: Buffer[] = []

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.parts.push(chunk)
    done()
  }

  get text(): string {
    return Buffer.concat(this.parts).toString()
  }
}
