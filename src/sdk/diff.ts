import type { DiffedSide, DiffOptions as EngineOptions, FoundChange } from '../history/diff/diff-read.js'
import type { PatchedFile, PatchSide } from '../history/diff/git-patch.js'
import { limits } from '../sys/index.js'
import type { Host } from './host.js'
import type { DiffChange, DiffOptions, DiffSide } from './types.js'

/** What a diff compares, as it was resolved. */
export interface Compared {
  from: DiffedSide
  to: DiffedSide
  /** False for volumes without a common past, which are compared by path and content: nothing is renamed then. */
  related: boolean
}

interface Opened extends Compared {
  id: number
}

/** A diff under way: what it compares, and its changes one page after another. Close it. */
export class DiffReader {
  readonly compared: Compared
  readonly #host: Host
  readonly #id: number

  private constructor(host: Host, { id, ...compared }: Opened) {
    this.#host = host
    this.#id = id
    this.compared = compared
  }

  /** @param from undefined: since the newest checkpoint of `to`'s volume, or since it was forked */
  static async open(host: Host, from: DiffSide | undefined, to: DiffSide, options: DiffOptions): Promise<DiffReader> {
    const sent: EngineOptions = { globs: options.globs ?? [], files: options.files === true || options.patch === true }
    return new DiffReader(host, (await host.call('diffOpen', from, to, sent)) as Opened)
  }

  async *changes(): AsyncGenerator<FoundChange> {
    for (;;) {
      const page = (await this.#host.call('diffNext', this.#id)) as FoundChange[] | undefined
      if (page === undefined) return
      yield* page
    }
  }

  /** The change of a file as a git patch; undefined for what git knows nothing of: directories, devices, attributes. */
  async patchOf(change: FoundChange): Promise<PatchedFile | undefined> {
    if (change.type !== 'file' && change.type !== 'symlink') return undefined
    const [path, from] = change.bytes ?? [latin1(change.path), change.from === undefined ? undefined : latin1(change.from)]
    const before = change.before === 0 ? undefined : await this.#side('before', change.before, from ?? path)
    const after = change.after === 0 ? undefined : await this.#side('after', change.after, path)
    const { gitPatch } = await import('../history/diff/git-patch.js')
    return gitPatch(before, after)
  }

  async #side(side: 'before' | 'after', ino: number, path: string): Promise<PatchSide> {
    const parts: Uint8Array[] = []
    for (let at = 0; ; ) {
      const { mode, size, bytes } = (await this.#host.call('diffFile', this.#id, side, ino, at)) as { mode: number; size: number; bytes: Uint8Array }
      const file = { path: path.slice(1), mode, size }
      if (size > limits.patchFileBytes) return { ...file, bytes: undefined }
      parts.push(bytes)
      at += bytes.length
      if (at >= size || bytes.length === 0) return { ...file, bytes: parts.length === 1 ? bytes : Buffer.concat(parts) }
    }
  }

  async close(): Promise<void> {
    await this.#host.call('close', this.#id)
  }
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The changes of a diff for the public; closes it at the end, also when the loop is left before. */
export async function* publicChanges(reader: DiffReader, options: DiffOptions): AsyncGenerator<DiffChange> {
  try {
    for await (const found of reader.changes()) {
      const { before: _before, after: _after, bytes: _bytes, ...change } = found
      if (options.patch !== true) yield change
      else yield withPatch(change, await reader.patchOf(found))
    }
  } finally {
    await reader.close()
  }
}

function withPatch(change: DiffChange, file: PatchedFile | undefined): DiffChange {
  if (file === undefined) return change
  const { patch, added, removed } = file
  return { ...change, patch: patch.toString('utf8'), ...(added === undefined || removed === undefined ? { binary: true } : { added, removed }) }
}
