/** Entry of a thread that matches patterns: one that never ends is ended with its thread, and nobody else waits for it. */
import { parentPort } from 'node:worker_threads'
import { looksBinary } from '../history/diff/looks-binary.js'
import { type GrepLines, grepLines, type LinePattern } from './grep-lines.js'

export interface GrepRequest {
  pattern: LinePattern
  files: Uint8Array[]
}

/** By file; undefined: it is binary. */
export type GrepAnswer = Array<GrepLines | undefined>

parentPort?.on('message', ({ pattern, files }: GrepRequest) => {
  const answer: GrepAnswer = files.map(bytes => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    return looksBinary(buffer) ? undefined : grepLines(buffer.toString('utf8'), pattern)
  })
  parentPort?.postMessage(answer)
})
