import { closeSync, openSync, readSync } from 'node:fs'
import type { Cipher } from '../codec/cipher.js'
import { decodeJournalHeader, firstChain, JOURNAL_HEADER_BYTES, type JournalHeader } from '../codec/frame.js'
import { listJournal } from './journal-file.js'
import { scanFrames } from './scan.js'
import { openFrame } from './sealed-frame.js'

/**
 * Visits the frames behind `afterSequence` in the journal at `dir`, which another process may be writing: all that were whole when
 * they were read. It may visit frames that recovery would cut off, never the other way round. Changes nothing.
 * @param visit the payload is valid during the call only
 * @param cipher of a store that is encrypted
 */
export function peekJournal(dir: string, afterSequence: number, visit: (payload: Buffer) => void, cipher?: Cipher): void {
  eachFrame(dir, (sequence, payload, flags, volume) => {
    if (sequence > afterSequence) visit(openFrame(cipher, volume, sequence, payload, flags))
  })
}

/** Sequence of the last frame in the journal at `dir`; 0 without one. Needs no key. */
export function lastInJournal(dir: string): number {
  let last = 0
  eachFrame(dir, sequence => {
    last = sequence
  })
  return last
}

function eachFrame(dir: string, visit: (sequence: number, payload: Buffer, flags: number, volume: Uint8Array) => void): void {
  for (const path of filesOf(dir)) {
    const fd = openIfThere(path)
    if (fd < 0) continue
    try {
      const header = readHeader(fd)
      if (header === undefined) continue
      scanFrames(fd, header.firstSequence, firstChain(header), (sequence, payload, flags) => {
        visit(sequence, payload, flags, header.volume)
        return true
      })
    } finally {
      closeSync(fd)
    }
  }
}

function filesOf(dir: string): string[] {
  try {
    return listJournal(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** -1 when it was released meanwhile: then the head has changed. */
function openIfThere(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return -1
    throw error
  }
}

function readHeader(fd: number): JournalHeader | undefined {
  const bytes = Buffer.alloc(JOURNAL_HEADER_BYTES)
  return readSync(fd, bytes, 0, JOURNAL_HEADER_BYTES, 0) === JOURNAL_HEADER_BYTES ? decodeJournalHeader(bytes) : undefined
}
