import { CairnError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'

/** `names/<name>`: which volume has a name. The head's own name decides: an entry that it does not confirm is stale. */
export interface NameEntry {
  id: string
  version: string
}

const FORMAT = 1
const MAX_NAME = 100

/** @throws CairnError ERR_VOLUME_NAME */
export function checkVolumeName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= MAX_NAME && !name.includes('..')) return
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name
  throw new CairnError(
    'ERR_VOLUME_NAME',
    `'${shown}' cannot be the name of a volume.`,
    `Use 1 to ${MAX_NAME} letters, digits, '.', '_' and '-', starting with a letter or digit.`,
    { exitCode: 2 },
  )
}

export class Names {
  readonly #store: LocalStore

  constructor(store: LocalStore) {
    this.#store = store
  }

  get(name: string): NameEntry | undefined {
    const found = this.#store.getSync(`names/${name}`)
    if (found === undefined) return undefined
    const { id } = JSON.parse(Buffer.from(found.bytes).toString('utf8')) as { id: string }
    return { id, version: found.version }
  }

  /** Takes a name that is free, or stale as `replaces` says. False when somebody else took it first. */
  take(name: string, id: string, replaces: NameEntry | undefined): boolean {
    const bytes = Buffer.from(JSON.stringify({ format: FORMAT, id }), 'utf8')
    try {
      this.#store.putSync(`names/${name}`, bytes, replaces === undefined ? { ifAbsent: true } : { ifMatch: replaces.version })
      return true
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return false
      throw error
    }
  }

  drop(name: string): void {
    this.#store.deleteSync([`names/${name}`])
  }

  all(): string[] {
    return allKeys(this.#store, 'names/').map(key => key.slice('names/'.length))
  }
}

export function allKeys(store: LocalStore, prefix: string): string[] {
  const keys: string[] = []
  let cursor: string | undefined
  do {
    const page = store.listSync(prefix, cursor)
    for (const object of page.objects) keys.push(object.key)
    cursor = page.cursor
  } while (cursor !== undefined)
  return keys
}
