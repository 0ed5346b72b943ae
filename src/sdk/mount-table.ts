import { listFuseMounts, type MountEntry } from '../fuse/mountinfo.js'

/** A line of the kernel's table; `mountpoint` is the name that the rest of the SDK uses for its `path`. */
export type KernelMount = MountEntry & { mountpoint: string }

/** Mounts of Cairn on this machine, by whatever home; empty where the kernel has no such table. Never touches the mounts. */
export function cairnMounts(): KernelMount[] {
  try {
    return listFuseMounts().map(mount => ({ ...mount, mountpoint: mount.path }))
  } catch {
    return []
  }
}

/** The mount of Cairn that holds an absolute path: the deepest one, the last of several on one place. */
export function mountOf(path: string, mounts: readonly KernelMount[] = cairnMounts()): KernelMount | undefined {
  let best: KernelMount | undefined
  for (const mount of mounts) {
    const inside = path === mount.path || path.startsWith(`${mount.path}/`)
    if (inside && (best === undefined || mount.path.length >= best.path.length)) best = mount
  }
  return best
}
