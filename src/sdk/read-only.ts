import { constants } from 'node:fs'
import { CairnError, EROFS, posixError } from '../errors.js'
import type { Backend, OpArgs, OpName } from '../node/index.js'
import type { VersionPlace } from '../server/version-methods.js'
import { parseSwitch } from './config.js'
import type { Host, Opened, OpenedTransaction } from './host.js'
import { readMethods } from './read-methods.js'

const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, W_OK } = constants

/** Calls that change no volume. Whatever is not named here is refused. */
const reads: ReadonlySet<string> = new Set([
  ...readMethods,
  ...['writtenElsewhere', 'storeOf', 'unpublished', 'logNext', 'blameStates', 'blameFile', 'diffNext', 'diffFile', 'cacheClear', 'cacheLimit'],
  ...['contentsSince', 'contentsNext', 'contentsRead', 'contentsPlaces', 'contentsWalk', 'contentsWalkNext', 'contentsFiles', 'contentsEntries'],
  ...['findOpen', 'findNext', 'findClose'],
  ...[
    'refresh',
    'giveKeys',
    'giveCredentials',
    'engine.keys',
    'caughtUp',
    'pin',
    'unpin',
    'collected',
    'step',
    'close',
    'job.wait',
    'mount',
    'unmount',
    'server.stop',
  ],
])
/** Where the options of calls stand that change nothing with `dryRun`; what was in no commit may get one, as when a volume is closed. */
const dryRuns: ReadonlyMap<string, number> = new Map([
  ['merge', 1],
  ['rebase', 1],
  ['undo', 1],
  ['prune', 1],
  ['job.start', 2],
])

/** Whether a call of this method, with these arguments, changes no volume. */
export function isRead(method: string, args: readonly unknown[] = []): boolean {
  if (reads.has(method) || (method === 'job.start' && args[0] === 'fsck')) return true
  const options = args[dryRuns.get(method) ?? args.length]
  const { dryRun, step } = (options ?? {}) as { dryRun?: boolean; step?: string }
  return dryRun === true && step === undefined
}

const fileReads: ReadonlySet<OpName> = new Set([
  ...(['access', 'getxattr', 'listxattr', 'lstat', 'opendir', 'readdir', 'readlink', 'realpath', 'stat', 'statfs', 'statIfExists'] as const),
  ...(['close', 'fstat', 'fsync', 'fsyncNow', 'open', 'read', 'readFile', 'seek'] as const),
])

/** @throws CairnError ERR_CONFIG when CAIRN_READ_ONLY is neither true nor false */
export function isReadOnlyByEnvironment(): boolean {
  const value = parseSwitch(process.env['CAIRN_READ_ONLY'] ?? '')
  if (value !== undefined) return value
  throw new CairnError('ERR_CONFIG', 'The variable CAIRN_READ_ONLY is neither true nor false.', 'Set it to one of them.', { exitCode: 2 })
}

/** Where volumes are, for a program whose settings allow no change: all that would be one fails with EROFS, and nothing was done. */
export class ReadOnlyHost implements Host {
  readonly isServer: boolean
  readonly #host: Host

  constructor(host: Host) {
    this.isServer = host.isServer
    this.#host = host
  }

  async call(method: string, ...args: unknown[]): Promise<unknown> {
    if (!isRead(method, args)) throw posixError(EROFS, method)
    // A volume mounted by this program is one that nobody changes.
    const sent = method === 'mount' ? [{ ...(args[0] as object), readOnly: true }] : args
    return this.#host.call(method, ...sent)
  }

  async open(name: string, ref?: string, actor?: string, version?: VersionPlace): Promise<Opened> {
    return readOnly(await this.#host.open(name, ref, actor, version, true))
  }

  close(): Promise<unknown> {
    return this.#host.close()
  }
}

/** The same, of which nothing can be changed. */
export function readOnly(opened: Opened): Opened {
  return {
    backend: readOnlyBackend(opened.backend),
    ask: async (method, ...args) => {
      if (!isRead(method, args)) throw posixError(EROFS, method)
      return opened.ask(method, ...args)
    },
    begin: async (): Promise<OpenedTransaction> => {
      const transaction = await opened.begin()
      const batch = async () => {
        throw posixError(EROFS, 'batch')
      }
      return { ...readOnly(transaction), commit: record => transaction.commit(record), batch }
    },
    close: () => opened.close(),
  }
}

/** The same operations, of which those that change something fail with EROFS. */
function readOnlyBackend(backend: Backend): Backend {
  const guarded: Backend = {
    isLocal: backend.isLocal,
    transferBytes: backend.transferBytes,
    call: (method, args) => {
      refuse(method, args)
      return backend.call(method, args)
    },
  }
  const { callNow, readInto, listed } = backend
  if (callNow !== undefined) {
    guarded.callNow = (method, args) => {
      refuse(method, args)
      return callNow.call(backend, method, args) as never
    }
  }
  if (readInto !== undefined) guarded.readInto = readInto.bind(backend)
  if (listed !== undefined) guarded.listed = listed.bind(backend)
  return guarded
}

function refuse<M extends OpName>(method: M, args: OpArgs<M>): void {
  const [path, flags] = args as unknown[]
  const opens = method === 'open' || method === 'readFile'
  const wants = method === 'access' ? W_OK : opens ? O_WRONLY | O_RDWR | O_CREAT | O_TRUNC : 0
  if (fileReads.has(method) && ((flags as number) & wants) === 0) return
  throw posixError(EROFS, opens ? 'open' : method, typeof path === 'string' ? path : undefined)
}
