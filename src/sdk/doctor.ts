import { execFile } from 'node:child_process'
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isFuseDevice } from '../fuse/mountinfo.js'
import type { VolumeInfo } from '../volume/api.js'
import { loadSettings } from './config.js'
import { cairnMounts } from './mount-table.js'
import type { CairnApi, Check, DoctorReport } from './types.js'

const execute = promisify(execFile)
const LOW_DISK_BYTES = 1024 ** 3
const LEAST_DISK_BYTES = 64 * 1024 ** 2
const LEAST_FILES = 1024
const CAP_SYS_ADMIN = 1n << 21n
const ANSWER_MS = 3000

const fine = (name: string, detail: string): Check => ({ name, ok: true, severity: 'error', detail })
const wrong = (name: string, detail: string, fix: string): Check => ({ name, ok: false, severity: 'error', detail, fix })
const odd = (name: string, detail: string, fix: string): Check => ({ name, ok: false, severity: 'warning', detail, fix })

/** How packages are installed here: the first program that exists. */
const installers: ReadonlyArray<readonly [program: string, commands: ReadonlyArray<readonly string[]>]> = [
  [
    'apt-get',
    [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'fuse3'],
    ],
  ],
  ['dnf', [['dnf', 'install', '-y', '-q', 'fuse3']]],
  ['apk', [['apk', 'add', '--quiet', 'fuse3']]],
]

export interface DoctorOptions {
  /** Default: that of the settings. */
  home?: string
  /** Installs the fuse3 package where it is missing; needs root. */
  install?: boolean
}

/**
 * Checks this machine and every volume of a home. Changes nothing, unless `install`; a home that does not exist yet is fine.
 * Each finding that is not `ok` has a `fix`. `ok` of the report: no error among them; warnings do not count. Never throws.
 * Cost: each volume is opened once; nothing is read of it but its root.
 */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  const ran = options.install === true ? await installFuse() : undefined
  const settings = await settingsCheck(options.home)
  const home = settings.home
  const mountChecks = mountSupport()
  const homeChecks = [...homeCheck(home), ...diskCheck(home)]
  const volumeChecks = homeChecks.some(check => !check.ok && check.severity === 'error') ? [] : await volumesCheck(home)
  const checks = [
    nodeCheck(),
    ...settings.checks,
    ...mountChecks,
    ...(await sandboxCheck()),
    ...limitsCheck(),
    ...homeChecks,
    ...(await staleCheck()),
    ...volumeChecks,
  ]
  if (ran?.failure !== undefined) checks.push(ran.failure)
  return {
    ok: checks.every(check => check.ok || check.severity === 'warning'),
    storageBackend: summary([...homeChecks, ...volumeChecks], `volumes live in ${home}`),
    mountSupport: summary(mountChecks, mountChecks.map(check => check.detail).join('; ')),
    checks,
    ...(ran !== undefined && { ran: ran.commands }),
  }
}

function summary(checks: readonly Check[], detail: string): DoctorReport['mountSupport'] {
  const bad = checks.find(check => !check.ok && check.severity === 'error')
  if (bad === undefined) return { found: true, detail }
  return { found: false, detail: bad.detail, ...(bad.fix !== undefined && { fix: bad.fix }) }
}

async function settingsCheck(home: string | undefined): Promise<{ home: string; checks: Check[] }> {
  try {
    const { settings } = await loadSettings(home === undefined ? {} : { arguments: { home } })
    return { home: settings.home, checks: [] }
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string }
    const fallback = home ?? process.env['CAIRN_HOME'] ?? join(process.env['HOME'] ?? '/', '.cairn')
    return { home: fallback, checks: [wrong('settings', message, remedy ?? 'Correct it.')] }
  }
}

function nodeCheck(): Check {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 15)) return fine('node', `Node ${process.versions.node}`)
  return wrong('node', `Node ${process.versions.node} is too old`, 'Install Node 20.15 or newer.')
}

function hasProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => folder !== '' && existsSync(join(folder, name)))
}

/** Whether a volume can be mounted here, and by this user. */
export function mountSupport(): Check[] {
  if (process.platform !== 'linux') {
    return [
      wrong(
        'fuse',
        `mounting needs Linux, and this is ${process.platform}`,
        'Use volumes in process (the library and the file commands), which needs no mount.',
      ),
    ]
  }
  const device = fuseDevice()
  return [device, process.getuid?.() === 0 ? mountRight() : fusermount()]
}

/** Root of a container may lack the capability to mount. */
function mountRight(): Check {
  const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(readText('/proc/self/status'))?.[1]
  if (capabilities === undefined || (BigInt(`0x${capabilities}`) & CAP_SYS_ADMIN) !== 0n) return fine('mount', 'this user may mount')
  return wrong('mount', 'this user is root without the right to mount (CAP_SYS_ADMIN)', 'Start the container with `--device /dev/fuse --cap-add SYS_ADMIN`.')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function fuseDevice(): Check {
  const inContainer = existsSync('/.dockerenv') || existsSync('/run/.containerenv')
  if (!existsSync('/dev/fuse')) {
    const fix = inContainer ? 'Start the container with `--device /dev/fuse --cap-add SYS_ADMIN`.' : 'Run `modprobe fuse` as root.'
    return wrong('fuse', '/dev/fuse does not exist', fix)
  }
  if (!isFuseDevice(statSync('/dev/fuse'))) {
    const fix = inContainer ? 'Start the container with `--device /dev/fuse`.' : 'Run `rm /dev/fuse && mknod -m 666 /dev/fuse c 10 229` as root.'
    return wrong('fuse', '/dev/fuse is not the FUSE device, but something else', fix)
  }
  try {
    closeSync(openSync('/dev/fuse', 'r+'))
    return fine('fuse', '/dev/fuse opens')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // EACCES is the mode of the file; EPERM is what the container refuses whatever the mode.
    const fix =
      inContainer && code !== 'EACCES'
        ? 'Start the container with `--device /dev/fuse --cap-add SYS_ADMIN`.'
        : 'Run `chmod 666 /dev/fuse` as root, or join the group that owns it.'
    return wrong('fuse', `/dev/fuse cannot be opened (${code})`, fix)
  }
}

function fusermount(): Check {
  if (hasProgram('fusermount3')) return fine('fusermount3', 'fusermount3 is installed, so that ordinary users can mount')
  return wrong('fusermount3', 'fusermount3 is missing, which mounts for ordinary users', 'Run `sudo cairn doctor --install`, or install the package fuse3.')
}

/** What holds commands of `cairn exec`. */
async function sandboxCheck(): Promise<Check[]> {
  if (process.platform !== 'linux') return [odd('sandbox', 'commands run without a sandbox here', 'Run them on Linux, where bubblewrap holds them.')]
  const { findTools } = await import('../exec/index.js')
  const { bubblewrap, bubblewrapProblem = '', namespace } = await findTools()
  if (bubblewrap !== undefined) return [fine('sandbox', 'commands run in bubblewrap')]
  const held =
    namespace === undefined ? 'a process that leaves its group and clears its environment may outlive its command' : 'all that a command starts ends with it'
  return [odd('sandbox', `commands run without a sandbox: ${bubblewrapProblem}; ${held}`, 'Install the package bubblewrap, and let users make namespaces.')]
}

function limitsCheck(): Check[] {
  let text: string
  try {
    text = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return []
  }
  const files = Number(/^Max open files\s+(\S+)/m.exec(text)?.[1] ?? LEAST_FILES)
  if (Number.isNaN(files) || files >= LEAST_FILES) return [fine('limits', `${Number.isNaN(files) ? 'any number of' : files} open files`)]
  return [odd('limits', `only ${files} files may be open at once`, `Raise it with \`ulimit -n ${LEAST_FILES}\`.`)]
}

/** The home, or the nearest folder above that exists. */
function existingPart(path: string): string {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

function homeCheck(home: string): Check[] {
  const found = existingPart(home)
  const stat = statSync(found)
  if (!stat.isDirectory()) return [wrong('home', `${found} is not a directory`, 'Choose another folder with CAIRN_HOME.')]
  try {
    accessSync(found, constants.W_OK | constants.X_OK)
  } catch {
    return [wrong('home', `${found} is not writable for you`, 'Make it writable for you, or choose another folder with CAIRN_HOME.')]
  }
  if (found !== home) return [fine('home', `${home} does not exist yet; the first volume makes it`)]
  if ((stat.mode & 0o077) !== 0) return [odd('home', `${home} is open to other users (mode ${(stat.mode & 0o777).toString(8)})`, `Run \`chmod 700 ${home}\`.`)]
  return [fine('home', `${home} is yours alone`)]
}

function diskCheck(home: string): Check[] {
  const { bavail, bsize } = statfsSync(existingPart(home))
  const free = bavail * bsize
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free for ${home}`
  if (free < LEAST_DISK_BYTES) return [wrong('disk', detail, 'Make room, or choose another folder with CAIRN_HOME.')]
  return [free < LOW_DISK_BYTES ? odd('disk', detail, 'Make room soon, or choose another folder with CAIRN_HOME.') : fine('disk', detail)]
}

/** Mounts that do not answer. Another process asks, because a dead mount can block who asks. */
async function staleCheck(): Promise<Check[]> {
  const checks = await Promise.all(cairnMounts().map(mount => answers(mount.path)))
  return checks.length === 0 ? [fine('mounts', 'nothing is mounted')] : checks
}

async function answers(mountpoint: string): Promise<Check> {
  try {
    // That somebody else's mount may not be looked at is an answer.
    const ask = 'try { fs.statSync(process.argv[1]) } catch (error) { process.exit(/ENOTCONN|ECONNABORTED/.test(error.code) ? 1 : 0) }'
    await execute(process.execPath, ['-e', ask, mountpoint], { timeout: ANSWER_MS, killSignal: 'SIGKILL' })
    return fine('mounts', `${mountpoint} answers`)
  } catch {
    return odd('mounts', `${mountpoint} does not answer`, `Run \`cairn unmount --force ${mountpoint}\`, or mount it again.`)
  }
}

async function volumesCheck(home: string): Promise<Check[]> {
  if (!existsSync(home)) return [fine('volumes', 'there are none yet')]
  try {
    const { Cairn } = await import('./cairn.js')
    const cairn = await Cairn.open({ home })
    try {
      const volumes = await cairn.volumes()
      const checks: Check[] = []
      for (const { name, store } of volumes) if (store === 'dev') checks.push(await volumeCheck(name, () => cairn.open(name)))
      checks.push(...(await storesCheck(cairn, volumes)))
      return checks.length === 0 ? [fine('volumes', 'there are none yet')] : checks
    } finally {
      await cairn.close()
    }
  } catch (error) {
    return [wrong('volumes', (error as Error).message, (error as { remedy?: string }).remedy ?? 'Look at the folder, or choose another with CAIRN_HOME.')]
  }
}

/** Stores elsewhere, and how their volumes stand to them. No volume of these is opened: that would take it from who writes it. */
async function storesCheck(cairn: CairnApi, volumes: readonly VolumeInfo[]): Promise<Check[]> {
  const elsewhere = volumes.filter(({ store }) => store !== 'dev')
  const checks: Check[] = []
  for (const store of new Set(elsewhere.map(volume => volume.store))) {
    const names = elsewhere.filter(volume => volume.store === store).map(({ name }) => name)
    const check = await storeCheck(cairn, store, names[0])
    checks.push(check)
    for (const name of names) checks.push(...(await remoteVolumeCheck(cairn, name, check.ok)))
  }
  return checks
}

async function storeCheck(cairn: CairnApi, store: string, name: string): Promise<Check> {
  try {
    const { roundTripMs } = await cairn.checkStore(name)
    return fine(`store ${store}`, `answers in ${Math.ceil(roundTripMs)} ms, and may be read and listed`)
  } catch (error) {
    return wrong(`store ${store}`, (error as Error).message, (error as { remedy?: string }).remedy ?? 'Look at the credentials and the network.')
  }
}

async function remoteVolumeCheck(cairn: CairnApi, name: string, isReached: boolean): Promise<Check[]> {
  const title = `volume ${name}`
  try {
    const [{ remote }] = (await cairn.status(name)).volumes
    if (remote === undefined) return []
    const checks: Check[] = []
    const waiting = remote.unpublishedBytes
    if (remote.setAside > 0) checks.push(odd(title, 'work of this host was overtaken by another one', `Make a volume of it with \`cairn recover ${name}\`.`))
    if (waiting > 0 && !isReached) checks.push(odd(title, `${waiting} bytes are on this host only`, `Run \`cairn flush ${name}\` when its store is reached.`))
    if (checks.length > 0 || !isReached) return checks
    return [fine(title, remote.isWriter ? 'is written here' : remote.lease === undefined ? 'is written by nobody' : `is written by ${remote.lease.holder}`)]
  } catch (error) {
    return [wrong(title, (error as Error).message, (error as { remedy?: string }).remedy ?? `Run \`cairn status ${name}\`.`)]
  }
}

async function volumeCheck(name: string, open: () => Promise<import('./types.js').OpenVolume>): Promise<Check> {
  try {
    const volume = await open()
    await volume.fs.promises.stat('/')
    await volume.close()
    return fine(`volume ${name}`, 'opens')
  } catch (error) {
    return wrong(`volume ${name}`, (error as Error).message, (error as { remedy?: string }).remedy ?? `Run \`cairn fsck ${name}\`.`)
  }
}

/** Installs fuse3 unless it is there. Returns the commands that ran. */
async function installFuse(): Promise<{ commands: string[]; failure?: Check }> {
  if (process.platform !== 'linux' || hasProgram('fusermount3')) return { commands: [] }
  if (process.getuid?.() !== 0) return { commands: [], failure: wrong('install', 'only root can install packages', 'Run `sudo cairn doctor --install`.') }
  const found = installers.find(([program]) => hasProgram(program))
  if (found === undefined) return { commands: [], failure: wrong('install', 'there is no apt-get, dnf or apk here', 'Install the package fuse3 by hand.') }
  const commands: string[] = []
  for (const [program, ...args] of found[1]) {
    commands.push([program, ...args].join(' '))
    try {
      await execute(program, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
    } catch (error) {
      const last = String((error as { stderr?: string }).stderr ?? error)
        .trim()
        .split('\n')
        .pop()
      return { commands, failure: wrong('install', `\`${commands.at(-1)}\` failed: ${last}`, 'Run it by hand to see why.') }
    }
  }
  return { commands }
}
