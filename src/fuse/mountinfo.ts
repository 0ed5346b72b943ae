import { readFileSync, type Stats } from 'node:fs'

/** One line of /proc/self/mountinfo. */
export interface MountEntry {
  path: string
  /** `major:minor`, as in /sys/class/bdi. */
  device: string
  type: string
  /** The volume's name, for our mounts. */
  source: string
  readOnly: boolean
}

/** Our type, as `mount` and `findmnt -t` show it. */
export const MOUNT_TYPE = 'fuse.cairn'

/** The kernel writes space, tab, newline and backslash as three octal digits. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

export function parseMountinfo(text: string): MountEntry[] {
  const mounts: MountEntry[] = []
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ')
    if (after === undefined) continue
    const fields = before.split(' ')
    const [type, source] = after.split(' ')
    mounts.push({
      path: unescapeOctal(fields[4]),
      device: fields[2],
      type,
      source: unescapeOctal(source),
      readOnly: fields[5].split(',').includes('ro'),
    })
  }
  return mounts
}

/** The mounts of this program that this process sees, in the order they were made. Touches none of them. */
export function listFuseMounts(): MountEntry[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter(mount => mount.type === MOUNT_TYPE)
}

/** Major 10, minor 229: containers put other things in its place to forbid it. */
const FUSE_RDEV = (10 << 8) | 229

export function isFuseDevice(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === FUSE_RDEV
}
