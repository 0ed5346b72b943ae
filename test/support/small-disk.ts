import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, realpathSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that holds so much and no more; only root can make one. */
export class SmallDisk {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-small-disk-')))

  constructor(megabytes: number) {
    this.#mount(`size=${megabytes}m`)
  }

  #mount(options: string): void {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', this.folder], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }

  resize(megabytes: number): void {
    this.#mount(`remount,size=${megabytes}m`)
  }

  setReadOnly(isReadOnly: boolean): void {
    this.#mount(`remount,${isReadOnly ? 'ro' : 'rw'}`)
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder)
    return bavail * bsize
  }

  /** Takes every byte that is left. */
  fill(): void {
    try {
      for (let i = 0; ; i++) writeFileSync(join(this.folder, `ballast${i}`), Buffer.alloc(64 * 1024))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  empty(): void {
    for (const name of readdirSync(this.folder)) if (name.startsWith('ballast')) rmSync(join(this.folder, name))
  }

  end(): void {
    spawnSync('umount', ['-l', this.folder])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Why no small disk can be made here; undefined when one can. */
export function whyNoDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may mount a tmpfs'
  try {
    new SmallDisk(1).end()
    return undefined
  } catch (error) {
    return String(error)
  }
}
