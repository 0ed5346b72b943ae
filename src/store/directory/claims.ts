import { createHash } from 'node:crypto'
import { linkSync, lstatSync, readdirSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CairnError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { IS_CHANGED, IS_GONE, preconditionFailed } from '../keys.js'
import { makeFolder } from '../sync-folder.js'

/** `~` is in no key. */
export const CLAIMS_FOLDER = '~claims'

/** Name of the claim to replace the object `key` while it has this version. */
export function claimName(key: string, version: string): string {
  return `${createHash('sha256').update(key).digest('hex').slice(0, 32)}-${version}`
}

/**
 * Compare-and-swap of files without locks, for disks that hosts share and on which locks do not hold.
 *
 * A version is that of one file, and never comes back. Who replaces the object while it has version v first makes the symbolic link `~claims/KEY-v` to
 * his new file: symlink(2) fails when the name is there, so that one has it. Only then the new file is renamed over the object. Whoever finds the claim
 * of another does that in his stead, so that one who died, or sleeps, is in nobody's way: a file can be renamed once only.
 *
 * Why this holds. (1) An object of version v is replaced only by the file that its claim names: both the owner and who helps look at the object after they
 * know the claim, and go on only if it is v still. (2) So while the object is v, the file of its claim is there, and once it is not v, that file is gone
 * or belongs to one who came too late: he sees by that that he lost. (3) A claim is removed only when the object is v no more, which is for ever.
 */
export class Claims {
  readonly #folder: string
  readonly #versionOf: (key: string) => string | undefined
  #made = false

  /** @param versionOf of the object as it is now, from the disk */
  constructor(root: string, versionOf: (key: string) => string | undefined) {
    this.#folder = join(root, CLAIMS_FOLDER)
    this.#versionOf = versionOf
  }

  /**
   * Puts the file `temporary` in the place of an object; only while that has version `ifMatch`, where one is given.
   * @throws CairnError ERR_PRECONDITION; ERR_CONFLICT when others keep winning
   */
  replace(key: string, path: string, temporary: string, ifMatch: string | undefined): void {
    if (!this.#made) makeFolder(this.#folder)
    this.#made = true
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
      const version = this.#versionOf(key)
      if (ifMatch !== undefined && version !== ifMatch) throw preconditionFailed(key, version === undefined ? IS_GONE : IS_CHANGED)
      if (version === undefined ? linked(temporary, path) : this.#swap(key, path, temporary, version)) return
    }
    throw new CairnError('ERR_CONFLICT', `Others replaced ${key} ${limits.casAttempts} times in a row.`, 'Try again.', { retry: 'same-call' })
  }

  /** True when `temporary` took the place of version `version`. */
  #swap(key: string, path: string, temporary: string, version: string): boolean {
    const claim = join(this.#folder, claimName(key, version))
    // Out of the folder whose old files are cleared away: it may be the only copy of what a claim promises.
    const next = join(this.#folder, `${basename(temporary)}.new`)
    renameSync(temporary, next)
    if (!claimed(claim, basename(next), key)) {
      renameSync(next, temporary)
      this.#help(key, path, claim, version)
      return false
    }
    if (this.#versionOf(key) === version) renameIfThere(next, path)
    const isMine = !isThere(next)
    if (!isMine) renameSync(next, temporary)
    const isSwept = isMine && this.#versionOf(key) === version
    unlinkIfThere(claim)
    if (isSwept) throw new CairnError('ERR_CONFLICT', `Replacing ${key} was interrupted for longer than a day.`, 'Try again.', { retry: 'same-call' })
    return isMine
  }

  /** Finishes what the owner of a claim began. */
  #help(key: string, path: string, claim: string, version: string): void {
    const next = targetOf(claim)?.next
    // Only now: the claim of a version that is gone may be anybody's who came too late.
    if (next === undefined || this.#versionOf(key) !== version) return
    renameIfThere(join(this.#folder, next), path)
    if (this.#versionOf(key) !== version) unlinkIfThere(claim)
  }

  /** Removes what crashes left: claims of versions that are gone, and files that nobody claims any more. */
  sweep(): void {
    const names = namesIn(this.#folder)
    const before = systemClock.now() - limits.storeTemporaryMs
    const wanted = new Set<string>()
    for (const name of names.filter(one => !one.endsWith('.new'))) {
      const claim = join(this.#folder, name)
      const target = targetOf(claim)
      const version = target && this.#versionOf(target.key)
      if (target !== undefined && version !== undefined && claimName(target.key, version) === name) wanted.add(target.next)
      else if (isOlder(claim, before)) unlinkIfThere(claim)
    }
    for (const name of names.filter(one => one.endsWith('.new') && !wanted.has(one))) {
      const file = join(this.#folder, name)
      if (isOlder(file, before)) unlinkIfThere(file)
    }
  }
}

/** True when the claim is ours; a network disk may say that it is there because the answer to our own making of it was lost. */
function claimed(claim: string, next: string, key: string): boolean {
  try {
    symlinkSync(`${next}:${key}`, claim)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return targetOf(claim)?.next === next
  }
}

function targetOf(claim: string): { next: string; key: string } | undefined {
  try {
    const [next, key] = readlinkSync(claim).split(':')
    return { next, key }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** link(2) of a network disk may have worked although it says that the name is there; then the file has two names. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return isSameFile(from, to)
  }
}

export function isSameFile(a: string, b: string): boolean {
  const [one, other] = [lstatSync(a, { throwIfNoEntry: false }), lstatSync(b, { throwIfNoEntry: false })]
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    // Another did it: a file can be renamed once.
    if (!isMissing(error) || isThere(from)) throw error
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function isOlder(path: string, beforeMs: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found !== undefined && found.mtimeMs < beforeMs
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
