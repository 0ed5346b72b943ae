import { CairnError, CorruptError } from '../errors.js'
import type { LocalStore, Put } from '../store/contract.js'
import { unlessRefused } from '../store/keys.js'
import { encodeSmall, parseSmall } from '../store/small-object.js'
import { limits } from '../sys/index.js'

/** `names/<name>`: which volume has a name. The head's own name decides: an entry that it does not confirm is stale. */
export interface NameEntry {
  id: string
  version: string
}

const FORMAT = 1

/** @throws CairnError ERR_VOLUME_NAME */
export function checkVolumeName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= limits.volumeNameCharacters && !name.includes('..')) return
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name
  throw new CairnError(
    'ERR_VOLUME_NAME',
    `'${shown}' cannot be the name of a volume.`,
    `Use 1 to ${limits.volumeNameCharacters} letters, digits, '.', '_' and '-', starting with a letter or digit.`,
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
    return { id: idIn(found.bytes, `names/${name}`), version: found.version }
  }

  /** Takes a name that is free, or stale as `replaces` says. False when somebody else took it first. */
  take(name: string, id: string, replaces: NameEntry | undefined): boolean {
    const { key, bytes, options } = this.taking(name, id, replaces)
    return unlessRefused(() => this.#store.putSync(key, bytes, options)) !== undefined
  }

  /** What `take` puts. */
  taking(name: string, id: string, replaces: NameEntry | undefined): Put {
    const bytes = encodeSmall(FORMAT, { id })
    return { key: `names/${name}`, bytes, options: replaces === undefined ? { ifAbsent: true } : { ifMatch: replaces.version } }
  }

  drop(name: string): void {
    this.#store.deleteSync([`names/${name}`])
  }

  all(): string[] {
    return allKeys(this.#store, 'names/').map(key => key.slice('names/'.length))
  }
}

/** @throws CorruptError naming the entry; CairnError ERR_FORMAT for one of a newer version */
function idIn(bytes: Uint8Array, key: string): string {
  const { format, id } = parseSmall(bytes, key)
  if (typeof format === 'number' && format > FORMAT) {
    throw new CairnError('ERR_FORMAT', `${key} was written by a newer version of cairn.`, 'Install a newer version of cairn.')
  }
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) throw new CorruptError(key, 'it names no volume')
  return id
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
