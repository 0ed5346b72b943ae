import { type FileHandle, open } from 'node:fs/promises'
import { CairnError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { type Budget, PartBuffers, type Parts } from '../parts.js'
import type { LocalPack } from './protocol.js'

const buffers = new PartBuffers(limits.storePartBytes, limits.storeParallel)

/**
 * Stores a finished pack, large ones part by part, with no more of it in memory than the budget has. Of one that is there already the bytes are compared: a copy
 * of this host may have given its name to other ones.
 * @throws CairnError ERR_PRECONDITION when it is there with other bytes; ERR_CONFLICT when the file is gone and it is not there; what the store says
 */
export async function uploadPack(store: ObjectStore, { key, path }: LocalPack, budget: Budget): Promise<void> {
  const file = await opened(path)
  if (file === undefined) {
    // The publication of another volume has stored it meanwhile, and it is in the cache now.
    if ((await store.head(key)) !== undefined) return
    throw new CairnError('ERR_CONFLICT', `${key} waits here no more.`, 'Try again.', { retry: 'same-call' })
  }
  try {
    const parts = await fileParts(file, budget)
    try {
      await put(store, key, parts)
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'ERR_PRECONDITION' || !(await isSame(store, key, parts))) throw error
    }
  } finally {
    await file.close()
  }
}

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function put(store: ObjectStore, key: string, parts: Parts): Promise<unknown> {
  if (parts.size > limits.storeWholeBytes && store.putParts !== undefined) return store.putParts(key, parts)
  return parts.use(0, parts.size, bytes => store.put(key, bytes, { ifAbsent: true }))
}

async function fileParts(file: FileHandle, budget: Budget): Promise<Parts> {
  const { size } = await file.stat()
  return {
    size,
    use: (from, to, send) =>
      budget.with(to - from, () =>
        buffers.with(Math.min(to, size) - from, async bytes => {
          for (let at = 0; at < bytes.length; ) {
            const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at)
            if (bytesRead === 0) throw new Error('invariant broken: a finished pack has become shorter')
            at += bytesRead
          }
          return send(bytes)
        }),
      ),
  }
}

async function isSame(store: ObjectStore, key: string, parts: Parts): Promise<boolean> {
  if ((await store.head(key))?.sizeBytes !== parts.size) return false
  for (let from = 0; from < parts.size; from += limits.storePartBytes) {
    const length = Math.min(limits.storePartBytes, parts.size - from)
    const there = await store.get(key, { range: { offset: from, length } })
    if (there === undefined || !(await parts.use(from, from + length, async bytes => Buffer.compare(there.bytes, bytes) === 0))) return false
  }
  return true
}
