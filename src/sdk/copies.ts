import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeSmall, encodeSmall } from '../store/small-object.js'
import { writeFileDurably } from '../store/write-durably.js'
import { FileLock } from '../volume/lock.js'

const FORMAT = 1

/** What became of the last copy of a volume to a store: the volume that is being made there, or that was made. Ids of that store. */
export interface LastCopy {
  begun?: string
  made?: string
}

/** What this home remembers of its copies of one volume to one store, and the right to go on with them: only one process has it, and it ends with that. */
export class CopyRecord {
  readonly #path: string
  readonly #lock: FileLock
  readonly last: LastCopy

  private constructor(path: string, lock: FileLock) {
    this.#path = path
    this.#lock = lock
    this.last = existsSync(path) ? read(path) : {}
  }

  /** Undefined while another process copies the same: that one is not waited for. */
  static open(home: string, store: string, volume: string): CopyRecord | undefined {
    const folder = join(home, 'copies')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, `${store}-${volume}`)
    const lock = FileLock.tryAcquire(`${path}.lock`)
    return lock instanceof FileLock ? new CopyRecord(path, lock) : undefined
  }

  /** @param elsewhere what other homes have said in the store, where this one knows nothing */
  take(elsewhere: LastCopy): void {
    if (this.last.begun === undefined && elsewhere.begun !== undefined) this.last.begun = elsewhere.begun
    if (this.last.made === undefined && elsewhere.made !== undefined) this.last.made = elsewhere.made
  }

  set(last: LastCopy): void {
    writeFileDurably(this.#path, encodeSmall(FORMAT, { ...last }))
  }

  close(): void {
    this.#lock.release()
  }
}

function read(path: string): LastCopy {
  const { begun, made } = decodeSmall(readFileSync(path), path, FORMAT)
  return { ...(typeof begun === 'string' && { begun }), ...(typeof made === 'string' && { made }) }
}
