import { CairnError } from '../errors.js'
import { META_PREFIX, TAG_PREFIX } from '../fs/attribute-names.js'
import type { Opened } from './host.js'

/** Of a volume as it is now, or of a state of the past. Paths are from the root; symbolic links are followed. Errors are those of the file, and ERR_TAG, ERR_META. */
export class Tags {
  readonly #opened: Opened

  constructor(opened: Opened) {
    this.#opened = opened
  }

  async of(path: string): Promise<string[]> {
    return this.#names(path, TAG_PREFIX)
  }

  /** Those that are there already stay. */
  async add(path: string, tags: readonly string[]): Promise<void> {
    for (const tag of tags) checkTag(tag)
    for (const tag of tags) await this.#opened.backend.call('setxattr', [path, TAG_PREFIX + tag, new Uint8Array(0), 0, true])
  }

  /** Those that are not there are no error. */
  async remove(path: string, tags: readonly string[]): Promise<void> {
    for (const tag of tags) checkTag(tag)
    const there = new Set(await this.of(path))
    for (const tag of tags) if (there.has(tag)) await this.#opened.backend.call('removexattr', [path, TAG_PREFIX + tag, true])
  }

  /** All that has a tag, by path; without one all that has any. What has several names is told by one of them. */
  async *with(tag?: string): AsyncGenerator<{ path: string; tags: string[] }> {
    if (tag !== undefined) checkTag(tag)
    for (let from: string | undefined; ; ) {
      const page = (await this.#opened.ask('tagged', tag, from)) as { found: Array<{ path: string; tags: string[] }>; next?: string }
      yield* page.found
      if (page.next === undefined) return
      from = page.next
    }
  }

  async meta(path: string): Promise<Record<string, string>> {
    const found: Array<[string, string]> = []
    for (const key of await this.#names(path, META_PREFIX)) found.push([key, await this.#value(path, key)])
    // A key may be `__proto__`.
    return Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(found))
  }

  /** Undefined when there is none. */
  async get(path: string, key: string): Promise<string | undefined> {
    checkKey(key)
    return (await this.#names(path, META_PREFIX)).includes(key) ? this.#value(path, key) : undefined
  }

  async set(path: string, key: string, value: string | undefined): Promise<void> {
    checkKey(key)
    if (value !== undefined) await this.#opened.backend.call('setxattr', [path, META_PREFIX + key, Buffer.from(value), 0, true])
    else if ((await this.#names(path, META_PREFIX)).includes(key)) await this.#opened.backend.call('removexattr', [path, META_PREFIX + key, true])
  }

  async #names(path: string, prefix: string): Promise<string[]> {
    // One char per byte.
    const listed = await this.#opened.backend.call('listxattr', [path, true])
    const names = listed.map(name => Buffer.from(name, 'latin1').toString('utf8'))
    return names.flatMap(name => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])).sort()
  }

  async #value(path: string, key: string): Promise<string> {
    return Buffer.from(await this.#opened.backend.call('getxattr', [path, META_PREFIX + key, true])).toString('utf8')
  }
}

/** In a list on one line, and as one word of a shell. */
const MAX_BYTES = 200

function checkTag(tag: string): void {
  if (isName(tag)) return
  throw new CairnError('ERR_TAG', `'${tag.slice(0, 80)}' is no tag.`, `Use 1 to ${MAX_BYTES} bytes without spaces, commas and control characters.`, {
    exitCode: 2,
  })
}

function checkKey(key: string): void {
  if (isName(key)) return
  throw new CairnError('ERR_META', `'${key.slice(0, 80)}' is no key.`, `Use 1 to ${MAX_BYTES} bytes without spaces, commas and control characters.`, {
    exitCode: 2,
  })
}

function isName(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= MAX_BYTES && !/[\s,\p{Cc}]/u.test(text) && Buffer.from(text).toString() === text
}
