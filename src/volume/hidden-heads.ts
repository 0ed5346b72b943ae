import type { Head } from '../codec/head.js'
import type { Clock, Random } from '../sys/index.js'

/**
 * A head without a name, marked as deleted from the start: nobody sees it, the collector keeps what it names, and one that a crash left is
 * removed with the deleted volumes whose time is over.
 */
export function hiddenHead(id: string, random: Random, clock: Clock, members: Pick<Head, 'dirHashKey'> & Partial<Head>): Head {
  const now = Math.floor(clock.now())
  return {
    format: 1,
    volume: id,
    createdMs: now,
    epoch: 1,
    sequence: 1,
    nonce: random.bytes(8).toString('hex'),
    root: '',
    history: '',
    nextIno: 2,
    arena: [0, 0],
    inodes: 0,
    bytes: 0,
    ...members,
    watermark: 0,
    name: '',
    deletedMs: now,
  }
}

export function isHidden(head: Head): boolean {
  return head.name === ''
}
