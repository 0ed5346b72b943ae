/** Entry of a thread that matches patterns: one that never ends is ended with its thread, and nobody else waits for it. */

import { FileWay } from '../history/contents/file-bytes.js'
import { looksBinary } from '../history/diff/looks-binary.js'
import { limits } from '../sys/index.js'
import { parentPort } from '../sys/threads.js'
import { FileReader } from './file-reader.js'
import { type GrepAnswer, type GrepRequest, Packer } from './grep-messages.js'
import { LinePick, LineScan, numbersAround } from './line-scan.js'
import { windowsOf } from './text-windows.js'

function run({ pattern, files, progress }: GrepRequest): GrepAnswer {
  const reader = new FileReader(files)
  const scan = new LineScan(pattern)
  const required = pattern.text === undefined ? undefined : Buffer.from(pattern.text, 'utf8')
  const packer = new Packer()
  const at = new Int32Array(progress)
  const { before = 0, after = 0 } = pattern
  const tick = (): void => void Atomics.add(at, 1, 1)
  for (let file = 0; file < files.ways.length; file++) {
    Atomics.store(at, 0, file)
    tick()
    if (files.ways[file] < FileWay.here) continue
    try {
      scan.begin()
      const isBinary = feed(reader, file, required, scan, tick)
      if (isBinary) packer.binary++
      else if (scan.matches.length > 0) packer.add(file, scan.matches, before + after > 0 ? around(reader, file, scan, before, after, tick) : [])
    } catch {
      // A pack that moved, or damage: the engine heals the one and names the other.
      packer.failed.push(file)
    }
  }
  reader.close()
  return packer.done()
}

/** Matches a file as far as it has to be read. @returns true: it is binary */
function feed(reader: FileReader, file: number, required: Buffer | undefined, scan: LineScan, tick: () => void): boolean {
  let isFirst = true
  for (let bytes of windowsOf(reader, file)) {
    if (isFirst && looksBinary(bytes)) return true
    if (isFirst) bytes = withoutMark(bytes)
    isFirst = false
    // Lines are counted where a file goes on.
    if (required === undefined || reader.sizeOf(file) > limits.grepWindowBytes || bytes.includes(required)) scan.feed(bytes.toString('utf8'))
    if (scan.isFull) return false
    tick()
  }
  return false
}

/** A byte order mark is no part of the first line. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

function around(reader: FileReader, file: number, { matches }: LineScan, before: number, after: number, tick: () => void): LinePick['lines'] {
  const pick = new LinePick(numbersAround(matches, before, after))
  for (const bytes of windowsOf(reader, file)) {
    pick.feed(withoutMark(bytes).toString('utf8'))
    if (pick.isFull) break
    tick()
  }
  return pick.lines
}

parentPort?.on('message', (request: GrepRequest) => parentPort?.postMessage(run(request)))
