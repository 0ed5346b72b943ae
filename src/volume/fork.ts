import type { Head } from '../codec/head.js'
import { CairnError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { pinKey, writePin } from '../store/pins.js'
import { type Clock, crashPoint, limits, type Random } from '../sys/index.js'
import { HeadFile } from './head.js'

/**
 * Makes the head of a fork beside collectors (spec/README.md, "A forker"): pin what it needs, look whether the source still has it,
 * create the head as pending, look whether the pin is there still, make the head ready. Whatever a collector reads in between, it meets
 * the source, the pin or the head. The pin stays for the collector to remove.
 * @param makeHead the head, by the fork's id
 * @throws CairnError ERR_CONFLICT when collections come in between again and again
 */
export function makeFork(store: LocalStore, random: Random, clock: Clock, source: HeadFile, makeHead: (id: string) => Head): HeadFile {
  for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
    const id = random.bytes(8).toString('hex')
    const head = makeHead(id)
    writePin(store, id, { atMs: Math.floor(clock.now()), into: id, roots: [head.root, head.history].filter(root => root !== '') })
    crashPoint('volume.fork.after-pin')
    if (!source.isCurrent) throw fenced(head)
    crashPoint('volume.fork.before-head')
    // Nothing of it is worth a sync before it is ready.
    const made = HeadFile.create(store, { ...head, pending: true }, random, { relaxed: true })
    crashPoint('volume.fork.pending')
    if (store.headSync(pinKey(id)) !== undefined && isReady(made)) return made
    store.deleteSync([HeadFile.key(id)])
  }
  throw new CairnError('ERR_CONFLICT', `Collections came in between ${limits.casAttempts} times in a row.`, 'Try again.', { retry: 'same-call' })
}

/** False when a collector gave it up. */
function isReady(head: HeadFile): boolean {
  try {
    head.update({ pending: undefined })
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_FENCED') return false
    throw error
  }
}

function fenced(head: Head): CairnError {
  return new CairnError('ERR_FENCED', `The volume ${head.parent?.volume ?? ''} was changed by another writer.`, 'Open it again.', { retry: 'reopen' })
}
