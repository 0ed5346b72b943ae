import { readFileSync } from 'node:fs'

/** One line of the kernel's mount table. */
export interface KernelMount {
  mountpoint: string
  type: string
  source: string
  options: string
}

/** Blanks, tabs, line breaks and backslashes stand as octal escapes. */
function plain(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** Parses `/proc/self/mountinfo` (proc(5)). */
export function parseMountInfo(text: string): KernelMount[] {
  const mounts: KernelMount[] = []
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ')
    if (separator < 0) continue
    const before = line.slice(0, separator).split(' ')
    const [type, source] = line.slice(separator + 3).split(' ')
    mounts.push({ mountpoint: plain(before[4]), type, source: plain(source), options: before[5] })
  }
  return mounts
}

/** Mounts of Cairn on this machine, by whatever home; empty where the kernel has no such table. Never touches the mounts. */
export function cairnMounts(): KernelMount[] {
  let text: string
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return []
  }
  if (!text.includes('cairn')) return []
  return parseMountInfo(text).filter(mount => mount.type === 'fuse.cairn' || (mount.type.startsWith('fuse') && /^cairn\b/.test(mount.source)))
}

/** The mount of Cairn that holds an absolute path: the deepest one. */
export function mountOf(path: string): KernelMount | undefined {
  let best: KernelMount | undefined
  for (const mount of cairnMounts()) {
    const inside = path === mount.mountpoint || path.startsWith(`${mount.mountpoint}/`)
    if (inside && (best === undefined || mount.mountpoint.length >= best.mountpoint.length)) best = mount
  }
  return best
}
