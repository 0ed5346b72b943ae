import { readlinkSync } from 'node:fs'

/** The namespace of mounts that this process is in: processes with the same see the same mounts. Undefined where the system does not say. */
export function mountNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/mnt')
  } catch {
    return undefined
  }
}
