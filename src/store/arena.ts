import { CairnError, CorruptError } from '../errors.js'
import { assert, limits } from '../sys/index.js'
import type { LocalStore } from './contract.js'
import { encodeSmall, parseSmall } from './small-object.js'

/** The counter of inode arenas of a store: no two volumes get the same, and it is never rewound. */
export const ARENA_KEY = 'arena'
const ARENA_FORMAT = 1
/** Arena 0 is nobody's: its inode 1 is the root of every volume. */
const FIRST_ARENA = 1
/** Inode numbers are `arena · 2^22 + counter` and safe integers. */
const ARENAS = 2 ** 31

/**
 * Takes `count` arenas that nobody has or will have; durable when it returns.
 * @param floor none below this: numbers from another store are in use there
 * @returns the first of them
 * @throws CairnError ERR_CONFLICT when others keep winning, ERR_FORMAT, ERR_ARENAS_EXHAUSTED; CorruptError. Cost: one compare-and-swap
 */
export function allocateArenas(store: LocalStore, count: number, floor = 0): number {
  assert(Number.isSafeInteger(count) && count > 0, 'arenas are taken in whole numbers')
  for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
    const found = store.getSync(ARENA_KEY)
    const next = Math.max(floor, found === undefined ? FIRST_ARENA : decodeArena(found.bytes))
    if (next + count > ARENAS)
      throw new CairnError('ERR_ARENAS_EXHAUSTED', 'The store has given out all inode numbers.', 'Copy the volumes that are still needed into a new store.')
    const bytes = encodeSmall(ARENA_FORMAT, { next: next + count })
    try {
      store.putSync(ARENA_KEY, bytes, found === undefined ? { ifAbsent: true } : { ifMatch: found.version })
      return next
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'ERR_PRECONDITION') throw error
    }
  }
  throw new CairnError('ERR_CONFLICT', `Others changed the counter of inode numbers ${limits.casAttempts} times in a row.`, 'Try again.', {
    retry: 'same-call',
  })
}

/** The first arena that nobody has. */
export function nextArena(store: LocalStore): number {
  const found = store.getSync(ARENA_KEY)
  return found === undefined ? FIRST_ARENA : decodeArena(found.bytes)
}

function decodeArena(bytes: Uint8Array): number {
  const { format, next } = parseSmall(bytes, ARENA_KEY)
  if (typeof format === 'number' && format > ARENA_FORMAT)
    throw new CairnError(
      'ERR_FORMAT',
      `The arena counter has format ${format}; this version of cairn knows ${ARENA_FORMAT}.`,
      'Install a newer version of cairn.',
    )
  if (format !== ARENA_FORMAT || typeof next !== 'number' || !Number.isSafeInteger(next) || next < FIRST_ARENA)
    throw new CorruptError(ARENA_KEY, 'it has no counter')
  return next
}
