/**
 * A process that mounts a filesystem in memory and serves it until it is unmounted: `node fuse-host.js OPTIONS-AS-JSON`.
 * Prints `ready` when it is mounted, and at the end one line of JSON that counts what it did.
 */
import { existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { FileSystem } from '../fs/index.js'
import { FuseHandler, FuseLoop, KernelCaches, mountFuse, Notifier, raiseReadAhead, SyncThread, syncPolicy } from '../fuse/index.js'
import { MemorySession } from './memory-session.js'

export interface FuseHostOptions {
  path: string
  readOnly?: boolean
  allowOther?: boolean
  spinUs?: number
  /** A file on another filesystem whose descriptor stands for the journal. */
  journal?: string
  /** When this file appears, its lines `mknod NAME`, `unlink NAME`, `write NAME TEXT` are done in the root as another front end would; then it is removed. */
  commands?: string
}

export interface FuseHostReport {
  requests: number
  /** By opcode. */
  counts: Record<number, number>
  /** fsyncs asked for, and rounds of the sync thread. */
  inlineSyncs: number
  syncRounds: number
  log: string[]
}

class SyncableSession extends MemorySession {
  inlineSyncs = 0
  readonly #targets: readonly number[]

  constructor(targets: readonly number[]) {
    super()
    this.#targets = targets
  }

  syncTargets(): readonly number[] {
    return this.#targets
  }

  override syncNow(): number {
    this.inlineSyncs++
    return 0
  }
}

function serve(options: FuseHostOptions): void {
  const log: string[] = []
  const counts: Record<number, number> = {}
  const session = new SyncableSession(options.journal === undefined ? [] : [openSync(options.journal, 'w')])
  const fs = new FileSystem(session)
  if (options.readOnly) fill(fs)
  const notifier = new Notifier()
  let elsewhere: Elsewhere | undefined
  const loop = new FuseLoop(
    { onWake: () => sync.drain(), pump: () => elsewhere?.pump() ?? Number.POSITIVE_INFINITY, log: line => log.push(line) },
    { spinUs: options.spinUs },
  )
  const sync = new SyncThread(loop.waker)
  const fd = mountFuse({ path: options.path, name: 'test volume', readOnly: options.readOnly, allowOther: options.allowOther })
  raiseReadAhead(options.path)
  const caches = new KernelCaches(notifier, fd, 1)
  fs.listener = caches
  if (options.commands !== undefined) elsewhere = new Elsewhere(fs, notifier, options.commands)
  const handler = new FuseHandler(
    loop.frame,
    fs,
    { readOnly: options.readOnly ?? false },
    {
      sync: syncPolicy(fd, sync),
      log: line => log.push(line),
      answering: busy => {
        caches.answering = busy
      },
    },
  )
  fs.keepUnlinked = () => handler.keepsUnlinked
  const handle = (length: number): number => {
    const opcode = loop.frame.in32[1]
    counts[opcode] = (counts[opcode] ?? 0) + 1
    return handler.handle(length)
  }
  loop.add({ fd, handler: { handle }, ended: () => loop.stop() })
  writeSync(1, 'ready\n')
  loop.run()
  const report: FuseHostReport = { requests: loop.requests, counts, inlineSyncs: session.inlineSyncs, syncRounds: sync.rounds, log }
  writeSync(1, `${JSON.stringify(report)}\n`)
  process.exit(0)
}

function fill(fs: FileSystem): void {
  const ino = fs.mknod(1, 'file', 0o100644, 0)
  const text = Buffer.from('read me\n')
  fs.write(ino, 0, text, 0, text.length)
}

const LOOK_EVERY_MS = 10

/** Changes that do not come through the kernel. */
class Elsewhere {
  #wanted = -1

  constructor(
    readonly fs: FileSystem,
    readonly notifier: Notifier,
    readonly file: string,
  ) {}

  pump(): number {
    if (this.#wanted >= 0) {
      if (new Int32Array(this.notifier.counts)[1] >= this.#wanted) {
        rmSync(this.file)
        this.#wanted = -1
      }
    } else if (existsSync(this.file)) {
      for (const line of readFileSync(this.file, 'utf8').trim().split('\n')) this.#run(line.split(' '))
      this.#wanted = this.notifier.posted()
    }
    return LOOK_EVERY_MS
  }

  #run([verb, name, text]: string[]): void {
    if (verb === 'mknod') this.fs.mknod(1, name, 0o100644, 0)
    else if (verb === 'unlink') this.fs.unlink(1, name)
    else this.fs.write(this.fs.find(1, name), 0, Buffer.from(text), 0, text.length)
  }
}

serve(JSON.parse(process.argv[2]) as FuseHostOptions)
