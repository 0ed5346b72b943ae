import picomatch from 'picomatch'

/** Databases change these all the time, and they mean nothing without the state of the database that they belong to. */
const ENDINGS = ['-wal', '-shm', '-journal'] as const

/** Which files get no versions: by their name, or by their path where a glob has a slash. */
export class Exclusion {
  readonly #byName: ((name: string) => boolean) | undefined
  readonly #byPath: ((path: string) => boolean) | undefined

  /** @param globs of the volume, beside those that always hold; a leading slash means the root of the volume */
  constructor(globs: readonly string[]) {
    const names = globs.filter(glob => !glob.includes('/'))
    const paths = globs.filter(glob => glob.includes('/')).map(glob => (glob.startsWith('/') ? glob.slice(1) : glob))
    if (names.length > 0) this.#byName = picomatch(names, { dot: true })
    if (paths.length > 0) this.#byPath = picomatch(paths, { dot: true })
  }

  /**
   * @param name one char per byte
   * @param path asked only where a glob has a slash: from the root, one char per byte
   */
  has(name: string, path: () => string | undefined): boolean {
    for (const ending of ENDINGS) if (name.endsWith(ending)) return true
    if (this.#byName?.(text(name)) === true) return true
    if (this.#byPath === undefined) return false
    const whole = path()
    return whole !== undefined && this.#byPath(text(whole.slice(1)))
  }
}

function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
