import { execFile, spawnSync } from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { CairnError, EBUSY, EINVAL, EIO, ENOENT, EPERM, errnoName } from '../errors.js'
import { limits } from '../sys/index.js'
import * as libc from '../sys/libc.js'
import { isFuseDevice, listFuseMounts, MOUNT_TYPE } from './mountinfo.js'

export { listFuseMounts, type MountEntry } from './mountinfo.js'

export interface MountRequest {
  /** An existing directory, absolute and without symlinks: as /proc/self/mountinfo will show it. */
  path: string
  /** The volume's name, shown as the source of the mount. */
  name: string
  readOnly?: boolean
  /** Other users may look in; permissions decide what they see. */
  allowOther?: boolean
}

const DEVICE = '/dev/fuse'

/**
 * Mounts, and returns the non-blocking descriptor of /dev/fuse that a loop must serve from now on. The first access waits for that.
 * @throws CairnError ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_MOUNT
 */
export function mountFuse(request: MountRequest): number {
  const fd = process.getuid?.() === 0 ? mountAsRoot(request) : mountAsUser(request)
  libc.setNonBlocking(fd)
  return fd
}

function mountAsRoot(request: MountRequest): number {
  const fd = openDevice()
  const options = [
    `fd=${fd}`,
    `rootmode=${(statSync(request.path).mode & constants.S_IFMT).toString(8)}`,
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
  ]
  // Alone on it root may do everything, and the kernel need not ask for a directory's mode after each change in it.
  if (request.allowOther) options.push('default_permissions', 'allow_other')
  const flags = libc.MS_NOSUID | libc.MS_NODEV | (request.readOnly ? libc.MS_RDONLY : 0)
  const result = libc.mount(request.name, request.path, MOUNT_TYPE, flags, options.join(','))
  if (result === 0) return fd
  closeSync(fd)
  const remedy =
    result === -EPERM ? 'Run it with the right to mount (CAP_SYS_ADMIN), in a container for instance `--privileged`.' : 'See the kernel log for the reason.'
  throw new CairnError('ERR_MOUNT', `Mounting on ${request.path} failed with ${errnoName(-result)}.`, remedy)
}

function openDevice(): number {
  let fd: number
  try {
    fd = openSync(DEVICE, constants.O_RDWR)
  } catch (error) {
    throw deviceError(error)
  }
  if (isFuseDevice(fstatSync(fd))) return fd
  closeSync(fd)
  throw new CairnError('ERR_FUSE_MISSING', `${DEVICE} is not the FUSE device.`, 'Start the container with `--device /dev/fuse`; see `cairn doctor`.')
}

function deviceError(error: unknown): CairnError {
  const code = (error as NodeJS.ErrnoException).code ?? 'EIO'
  const message = `${DEVICE} cannot be opened: ${code}.`
  if (code === 'EACCES' || code === 'EPERM') {
    const remedy = `Let this user read and write it, as usual: \`chmod 666 ${DEVICE}\` as root; or run as root.`
    return new CairnError('ERR_FUSE_PERMISSION', message, remedy, { cause: error })
  }
  return new CairnError('ERR_FUSE_MISSING', message, 'Load the fuse module, or start the container with `--device /dev/fuse`.', { cause: error })
}

/** fusermount3 opens the device as the user, mounts as root, and sends the descriptor through a socket that it finds as descriptor 3. */
function mountAsUser(request: MountRequest): number {
  closeSync(openDevice())
  const pair = libc.socketpair()
  if (typeof pair === 'number') throw new CairnError('ERR_MOUNT', `No socket for fusermount3: ${errnoName(-pair)}.`, 'Raise the limit of open files.')
  const [ours, theirs] = pair
  try {
    const options = ['default_permissions', 'nosuid', 'nodev', 'subtype=cairn', `fsname=${request.name.replace(/[\\,]/g, '\\$&')}`]
    if (request.allowOther) options.push('allow_other')
    if (request.readOnly) options.push('ro')
    const done = runFusermount(['-o', options.join(','), '--', request.path], theirs)
    if (done.status !== 0) throw new CairnError('ERR_MOUNT', `Mounting on ${request.path} failed: ${done.words}.`, 'See `cairn doctor`.')
    const got = libc.receiveFd(ours)
    if (typeof got === 'number' || got.fd < 0) throw new CairnError('ERR_MOUNT', 'fusermount3 sent no descriptor.', 'See `cairn doctor`.')
    return got.fd
  } finally {
    libc.close(ours)
    libc.close(theirs)
  }
}

function runFusermount(args: string[], socket?: number): { status: number; words: string } {
  const stdio = socket === undefined ? (['ignore', 'ignore', 'pipe'] as const) : (['ignore', 'ignore', 'pipe', socket] as const)
  const run = spawnSync('fusermount3', args, { stdio: [...stdio], env: { ...process.env, _FUSE_COMMFD: '3' }, encoding: 'utf8' })
  if (run.error !== undefined && (run.error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw new CairnError('ERR_FUSE_MISSING', 'fusermount3 is not installed, and only root can mount without it.', 'Install the package fuse3, or run as root.')
  }
  return { status: run.status ?? 1, words: (run.stderr ?? '').trim().replace(/^fusermount3: /, '') }
}

/**
 * Unmounts. Dirty pages are written back first, so that the mount must be served meanwhile, by another thread or process.
 * @param options `lazy` detaches a busy mount: it vanishes from the tree at once, and ends when its last file is closed
 * @returns 0; `-EBUSY`; `-EINVAL` when nothing is mounted there; `-ENOENT`
 */
export function unmountFuse(path: string, options: { lazy?: boolean } = {}): number {
  if (process.getuid?.() === 0) return libc.umount2(path, options.lazy ? libc.MNT_DETACH : 0)
  if (!listFuseMounts().some(mount => mount.path === path)) return -EINVAL
  const done = runFusermount([options.lazy ? '-uz' : '-u', '--', path])
  if (done.status === 0) return 0
  if (/busy/i.test(done.words)) return -EBUSY
  return /no such file/i.test(done.words) ? -ENOENT : -EIO
}

/** Removes a mount that nobody serves any more from the tree, on another thread; it ends when its last file is closed. False when it could not be removed. */
export function unmountLater(path: string): Promise<boolean> {
  if (process.getuid?.() === 0) return libc.umount2Later(path, libc.MNT_DETACH)
  return promisify(execFile)('fusermount3', ['-uz', '--', path]).then(
    () => true,
    () => false,
  )
}

/**
 * True when a mount is there whose server is gone. Asks a living server, and waits for its answer: never call it on the thread that serves.
 */
export function isStaleMount(path: string): boolean {
  try {
    statfsSync(path)
    return false
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOTCONN' || code === 'ECONNABORTED'
  }
}

/** Removes a mount of ours whose server is gone. True when there was one. */
export function clearStale(path: string): boolean {
  if (!listFuseMounts().some(mount => mount.path === path) || !isStaleMount(path)) return false
  return unmountFuse(path, { lazy: true }) === 0
}

/** Lets the kernel read ahead further than its default of 128 KiB. Root only; false when it stays as it was. Touches only sysfs. */
export function raiseReadAhead(path: string): boolean {
  const mount = listFuseMounts().findLast(entry => entry.path === path)
  if (mount === undefined) return false
  try {
    writeFileSync(`/sys/class/bdi/${mount.device}/read_ahead_kb`, String(limits.fuseReadAheadBytes / 1024))
    return true
  } catch {
    return false
  }
}
