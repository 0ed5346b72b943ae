import { createHash } from 'node:crypto'
import { existsSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { CairnError } from '../../errors.js'
import {
  Bubblewrap,
  type Enclosure,
  KeptTree,
  knownTools,
  PlainGroup,
  PlainNamespace,
  type SandboxOptions,
  Secrets,
  seccompProgram,
  type Tools,
} from '../../exec/index.js'
import { homePaths } from '../../server/home.js'

export interface Wanted {
  sandbox: 'auto' | 'strict' | 'none'
  network: 'none' | 'allow' | undefined
  readOnly: boolean
  readable: readonly string[]
}

/** How commands of this home are held; what does not depend on the command is found out once. */
export interface Holding {
  isSandboxed: boolean
  network: 'none' | 'allow'
  enclosure(mountpoint: string, mark: string): Enclosure
}

const known = new Map<string, Promise<Tools>>()

/** @throws CairnError ERR_SANDBOX_MISSING with `strict`, ERR_SANDBOX_NETWORK when `none` cannot be kept, ERR_EXEC_READABLE */
export async function holdingFor(home: string, wanted: Wanted): Promise<Holding> {
  const { run } = homePaths(home)
  const tools = await toolsOf(join(run, 'exec-tools.json'))
  const { bubblewrap, bubblewrapProblem = '' } = tools
  if (bubblewrap === undefined && wanted.sandbox === 'strict') {
    throw new CairnError(
      'ERR_SANDBOX_MISSING',
      `There is no sandbox here: ${bubblewrapProblem}.`,
      'Install the package bubblewrap, or allow a run without a sandbox.',
      {
        exitCode: 125,
      },
    )
  }
  if (bubblewrap === undefined || wanted.sandbox === 'none') return plain(tools, wanted)
  const { path: program, ...can } = bubblewrap
  const network = wanted.network ?? 'none'
  const seccompFile = filterFile(run)
  const { hidden: settings, stamp } = secrets()
  const hidden = [...settings, { path: real(home), isFolder: true }]
  const readable = wanted.readable.map(path => checkedFolder(path, real(home)))
  const common: Omit<SandboxOptions, 'workspace'> = {
    program,
    ...can,
    network,
    seccompFile,
    hidden,
    readable,
    readOnly: wanted.readOnly,
    kept: { tree, stamp },
  }
  return { isSandboxed: true, network, enclosure: workspace => new Bubblewrap({ ...common, workspace }) }
}

function plain({ namespace, setpriv }: Tools, { network }: Wanted): Holding {
  if (network === 'none') {
    throw new CairnError(
      'ERR_SANDBOX_NETWORK',
      'Without a sandbox the network cannot be taken from a command.',
      'Allow it the network, or install the package bubblewrap.',
      {
        exitCode: 125,
      },
    )
  }
  const enclosure = (_: string, mark: string): Enclosure => (namespace === undefined ? new PlainGroup(mark, setpriv) : new PlainNamespace(namespace))
  return { isSandboxed: false, network: 'allow', enclosure }
}

function toolsOf(file: string): Promise<Tools> {
  const found = known.get(file) ?? knownTools(file)
  known.set(file, found)
  found.catch(() => known.delete(file))
  return found
}

let made: { filter: Buffer; name: string } | undefined

/** The filter as a file, which bubblewrap reads. */
function filterFile(folder: string): string | undefined {
  made ??= namedFilter(seccompProgram())
  if (made === undefined) return undefined
  const { filter, name } = made
  const file = join(folder, name)
  if (existsSync(file)) return file
  const written = `${file}.${process.pid}`
  writeFileSync(written, filter, { mode: 0o600 })
  renameSync(written, file)
  return file
}

function namedFilter(filter: Buffer | undefined): typeof made {
  return filter && { filter, name: `calls-${createHash('sha256').update(filter).digest('hex').slice(0, 16)}.bpf` }
}

const ofSettings = new Secrets('/etc')
const tree = new KeptTree()

/** Others than root cannot read them anyway. */
function secrets(): ReturnType<Secrets['look']> {
  return process.getuid?.() === 0 ? ofSettings.look() : { hidden: [], stamp: '' }
}

/** What the folder of the volumes lies in is covered where it lies, which only the path of that itself says. */
function checkedFolder(path: string, home: string): string {
  const wrong = (what: string, remedy: string): CairnError => new CairnError('ERR_EXEC_READABLE', `${path} ${what}.`, remedy, { exitCode: 125 })
  const folder = posix.resolve(path)
  if (!path.startsWith('/') || folder === '/' || !existsSync(folder))
    throw wrong('is no folder of this host that could be shown', 'Name one that exists, by its whole path.')
  const is = real(folder)
  const isWithin = is === home || is.startsWith(`${home}/`)
  if (isWithin || (is !== folder && home.startsWith(`${is}/`))) throw wrong('leads to the folder of the volumes, which no command may see', 'Name another one.')
  return folder
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
