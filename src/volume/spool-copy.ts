import { readdirSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packKey } from '../codec/index.js'
import type { PackWriter } from '../store/packs.js'
import type { PackPart, VolumeLog } from '../store/store-logs.js'

/** How far the packs of a spool are in a store that keeps them while they are being written. */
export class SpoolCopy {
  /** Bytes of each pack that are there. */
  readonly #saved = new Map<PackWriter, number>()
  #saving: Array<[PackWriter, number]> = []
  readonly #log: VolumeLog

  constructor(log: VolumeLog) {
    this.#log = log
  }

  /** Makes the folder what the store has: files of a process that died may be older, or of another journal. */
  bringBack(dir: string): void {
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { force: true })
    for (const { key } of this.#log.packs()) this.#log.copyPack(key, join(dir, key.replaceAll('/', '.')))
  }

  save(): void {
    const parts = this.unsaved()
    if (parts.length === 0) return
    this.#log.savePacks(parts)
    this.saved()
  }

  fds(): number[] {
    return this.#log.fds()
  }

  /** @param saved bytes of it that are there already */
  add(pack: PackWriter, saved: number): void {
    pack.isCopy = true
    this.#saved.set(pack, saved)
  }

  remove(pack: PackWriter): void {
    this.#saved.delete(pack)
  }

  /** What was written and is not there. */
  unsaved(): PackPart[] {
    const parts: PackPart[] = []
    this.#saving = []
    for (const [pack, from] of this.#saved) {
      if (pack.written === from || pack.fd < 0) continue
      parts.push({ key: packKey(pack.packId), from, bytes: bytesOf(pack.fd, from, pack.written - from) })
      this.#saving.push([pack, pack.written])
    }
    return parts
  }

  /** What `unsaved` gave last is there now. */
  saved(): void {
    for (const [pack, bytes] of this.#saving) if (this.#saved.has(pack)) this.#saved.set(pack, bytes)
    this.#saving = []
  }
}

function bytesOf(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let done = 0; done < length; ) {
    const n = readSync(fd, bytes, done, length - done, from + done)
    if (n === 0) throw new Error('invariant broken: a pack is as long as it says')
    done += n
  }
  return bytes
}
