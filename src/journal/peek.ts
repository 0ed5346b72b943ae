import { closeSync, openSync, readSync } from 'node:fs'
import { decodeJournalHeader, firstChain, JOURNAL_HEADER_BYTES, type JournalHeader } from '../codec/frame.js'
import { listJournal } from './journal-file.js'
import { scanFrames } from './scan.js'

/**
 * Visits the frames behind `afterSequence` in the journal at `dir`, which another process may be writing: all that were whole when
 * they were read. It may visit frames that recovery would cut off, never the other way round. Changes nothing.
 * @param visit the payload is valid during the call only
 */
export function peekJournal(dir: string, afterSequence: number, visit: (payload: Buffer, sequence: number) => void): void {
  for (const path of filesOf(dir)) {
    const fd = openIfThere(path)
    if (fd < 0) continue
    try {
      const header = readHeader(fd)
      if (header === undefined) continue
      scanFrames(fd, header.firstSequence, firstChain(header), (sequence, payload) => {
        if (sequence > afterSequence) visit(payload, sequence)
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
