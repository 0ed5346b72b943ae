/** How a program finds the server of a home, and starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.js'
import { neverSent, RpcClient } from '../http/rpc-client.js'
import { entry } from '../sys/entry.js'
import { limits, systemClock } from '../sys/index.js'
import { flock, LOCK_NB, LOCK_SH } from '../sys/libc.js'
import { fromWire, type WireError } from '../sys/wire-error.js'
import { findSocketPath, type HomePaths, homePaths, prepareHome, readOptional } from './home.js'
import type { LogLevel } from './log.js'
import { EXIT_LOCKED } from './protocol.js'
import { PROTOCOL, version } from './version.js'

/** How often a server that starts is asked whether it answers. */
const ASK_AGAIN_MS = 10
/** The lock of a home is tried again after this. */
const LOCKED_RETRY_MS = 100

/** What a server is started with. */
export interface ServerOptions {
  logLevel?: LogLevel | undefined
  /** Collects by itself. */
  gc?: boolean | undefined
  /** What the cache of each store elsewhere may take on the disk, in bytes; default that of the environment, else 1 GiB. */
  cacheBytes?: number | undefined
  refreshMs?: number | undefined
  /** Signs audit chains. */
  auditKeyFile?: string | undefined
  /** What a volume of a store elsewhere may have acknowledged and not published, in bytes; default that of the environment, else a part of the disk. */
  backlogBytes?: number | undefined
}

interface Hello {
  version: string
  protocol: number
  pid: number
  mounts: number
  clients: number
}

async function helloOf(client: RpcClient): Promise<Hello | undefined> {
  try {
    return (await client.hello()) as unknown as Hello
  } catch (error) {
    // It may be ending at this moment, or be a dead one's socket.
    if (neverSent(error) || (error as CairnError).code === 'ERR_SERVER_LOST') return undefined
    throw error
  }
}

/**
 * A connection to the server of `home`; undefined when none runs.
 * @throws CairnError ERR_SERVER_VERSION when it is one that this version cannot talk to and that somebody needs; ERR_SERVER_SILENT
 */
export async function findServer(home: string): Promise<RpcClient | undefined> {
  const socket = findSocketPath(homePaths(home))
  // Most commands run where no server does: the first request of node:http costs 20 ms.
  if (!existsSync(socket)) return undefined
  const client = new RpcClient(socket, { silent: () => silentServer(home) })
  const hello = await helloOf(client)
  if (hello !== undefined && (await suits(client, hello, home))) return client
  client.close()
  return undefined
}

/** False when it was of another version and idle, and ended for that. */
async function suits(client: RpcClient, hello: Hello, home: string): Promise<boolean> {
  if (hello.version === version && hello.protocol === PROTOCOL) return true
  if (hello.mounts === 0 && hello.clients === 0) {
    await client.call('server.stop', [], { session: false }).catch(() => undefined)
    await gone(client)
    return false
  }
  if (hello.protocol === PROTOCOL) return true
  throw new CairnError(
    'ERR_SERVER_VERSION',
    `The server of ${home} runs cairn ${hello.version}, which this cairn ${version} cannot talk to.`,
    `Unmount everything with cairn ${hello.version} and try again.`,
  )
}

async function gone(client: RpcClient): Promise<void> {
  const until = systemClock.monotonic() + limits.serverStartMs
  while (systemClock.monotonic() < until && (await helloOf(client)) !== undefined) await sleep(ASK_AGAIN_MS)
}

/**
 * A connection to the server of `home`, which is started when none runs. It lives on when this process ends.
 * @throws CairnError ERR_SERVER_START with what the log says, or why it refused (ERR_HOME …)
 */
export async function ensureServer(home: string, options: ServerOptions = {}): Promise<RpcClient> {
  const running = await findServer(home)
  if (running !== undefined) return running
  const paths = prepareHome(home)
  rmSync(paths.failure, { force: true })
  const until = systemClock.monotonic() + limits.serverStartMs
  let supervisor = startSupervisor(home, options)
  for (;;) {
    const client = await findServer(home)
    if (client !== undefined) {
      // One that lost the race but does not know yet would start a server when this one ends.
      if (supervisorPid(paths) !== supervisor.pid) supervisor.kill('SIGKILL')
      return client
    }
    const code = supervisor.exitCode
    // Another one has the lock: it is starting too, or was about to end and did.
    if (code === EXIT_LOCKED) {
      await sleep(LOCKED_RETRY_MS)
      supervisor = startSupervisor(home, options)
    } else if (code !== null || supervisor.signalCode !== null) throw startFailed(paths)
    if (systemClock.monotonic() > until) throw startFailed(paths)
    await sleep(ASK_AGAIN_MS)
  }
}

function startSupervisor(home: string, { logLevel, gc, cacheBytes, backlogBytes, refreshMs, auditKeyFile }: ServerOptions): ChildProcess {
  // Its last words, should it have any.
  const log = openSync(homePaths(home).log, 'a', 0o600)
  const child = spawn(process.execPath, [entry('server/supervise'), home], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', log],
    env: {
      ...process.env,
      ...(logLevel !== undefined && { CAIRN_LOG_LEVEL: logLevel }),
      ...(gc !== undefined && { CAIRN_GC: String(gc) }),
      ...(cacheBytes !== undefined && { CAIRN_CACHE_BYTES: String(cacheBytes) }),
      ...(auditKeyFile !== undefined && { CAIRN_AUDIT_KEY_FILE: auditKeyFile }),
      ...(refreshMs !== undefined && { CAIRN_REFRESH_MS: String(refreshMs) }),
      ...(backlogBytes !== undefined && { CAIRN_BACKLOG_BYTES: String(backlogBytes) }),
    },
  })
  closeSync(log)
  child.unref()
  return child
}

function startFailed(paths: { failure: string; log: string; home: string }): Error {
  const failure = readOptional(paths.failure)
  if (failure !== undefined) return fromWire(JSON.parse(failure) as WireError)
  const last = (readOptional(paths.log) ?? '').trimEnd().split('\n').slice(-1)[0]
  return new CairnError('ERR_SERVER_START', `The server of ${paths.home} did not start${last === '' ? '' : ` (${last})`}.`, `See ${paths.log}.`)
}

/** The server again after it went away: its supervisor starts it at once. Undefined when both are gone. */
export async function reconnect(home: string, waitMs: number = limits.serverStartMs): Promise<RpcClient | undefined> {
  const paths = homePaths(home)
  const until = systemClock.monotonic() + waitMs
  for (;;) {
    const client = await findServer(home)
    if (client !== undefined) return client
    if (livingSupervisor(paths) === undefined || systemClock.monotonic() > until) return undefined
    await sleep(ASK_AGAIN_MS)
  }
}

function supervisorPid(paths: HomePaths): number | undefined {
  return noteOf(paths).pid
}

/** The server that its supervisor started last; it may be dead. */
export function serverPid(paths: HomePaths): number | undefined {
  return noteOf(paths).serverPid
}

/** It hangs, or somebody stopped it. */
export function silentServer(home: string): CairnError {
  const pid = serverPid(homePaths(home))
  const remedy = `Wait, or end it with \`kill -9 ${pid ?? 'PID'}\`: its supervisor starts another at once, and nothing acknowledged is lost.`
  return new CairnError('ERR_SERVER_SILENT', `The server${pid === undefined ? '' : ` (pid ${pid})`} does not answer.`, remedy, { retry: 'same-call' })
}

function noteOf(paths: HomePaths): { pid?: number; serverPid?: number } {
  try {
    return JSON.parse(readOptional(paths.supervisor) ?? '{}') as { pid?: number; serverPid?: number }
  } catch {
    // Written over on a full disk, or damaged.
    return {}
  }
}

/** A pid alone may be another program's by now: the supervisor, or a server that outlived it, also has the lock of the home. */
export function livingSupervisor(paths: HomePaths): number | undefined {
  const pid = supervisorPid(paths)
  return pid !== undefined && isAlive(pid) && isLocked(paths.lock) ? pid : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function isLocked(path: string): boolean {
  try {
    const fd = openSync(path, 'r')
    const result = flock(fd, LOCK_SH | LOCK_NB)
    closeSync(fd)
    return result < 0
  } catch {
    return false
  }
}
