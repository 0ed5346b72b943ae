import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '../../sys/index.js'
import type { ListPage } from '../contract.js'

/** One page of the keys in a folder that start with `prefix` and follow `cursor`, in bytewise order. */
export function listFolder(root: string, prefix: string, cursor: string): ListPage {
  const slash = prefix.lastIndexOf('/') + 1
  const walk = new Walk(root, prefix, cursor)
  walk.folder(prefix.slice(0, slash))
  const { objects } = walk
  if (!walk.more) return { objects }
  return { objects, cursor: objects[objects.length - 1].key }
}

class Walk {
  readonly objects: ListPage['objects'] = []
  /** There is at least one key more than the page takes. */
  more = false
  readonly #root: string
  readonly #prefix: string
  readonly #cursor: string

  constructor(root: string, prefix: string, cursor: string) {
    this.#root = root
    this.#prefix = prefix
    this.#cursor = cursor
  }

  /** @param at '' or a folder's key with a slash behind it */
  folder(at: string): void {
    for (const name of sortedNames(join(this.#root, at))) {
      if (this.more) return
      const key = at + name
      if (name.endsWith('/')) this.#subfolder(key)
      else if (key.startsWith(this.#prefix) && key > this.#cursor) this.#object(key)
    }
  }

  #subfolder(key: string): void {
    const mayHold = key.startsWith(this.#prefix) || this.#prefix.startsWith(key)
    // Everything in it starts with its key, so that a greater cursor that does not is behind all of it.
    const isBehind = key > this.#cursor || this.#cursor.startsWith(key)
    if (mayHold && isBehind) this.folder(key)
  }

  #object(key: string): void {
    const found = statSync(join(this.#root, key), { throwIfNoEntry: false })
    if (found === undefined) return
    if (this.objects.length === limits.listPageObjects) this.more = true
    else this.objects.push({ key, sizeBytes: found.size, modifiedMs: found.mtimeMs })
  }
}

/** Names of objects, and of folders with a slash, in the order of the keys that begin with them. */
function sortedNames(path: string): string[] {
  let entries: Dirent[]
  try {
    entries = readdirSync(path, { withFileTypes: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
  const names: string[] = []
  // Names of the store's own have a `~` in them.
  for (const entry of entries) if (!entry.name.includes('~')) names.push(entry.isDirectory() ? `${entry.name}/` : entry.name)
  return names.sort()
}
