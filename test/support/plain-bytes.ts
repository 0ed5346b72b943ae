import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { scanSegments } from '../../src/store/pack-scan.js'

/** Files of a folder, packs decoded, whose bytes hold a text. */
export function filesWith(folder: string, text: string): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return all.map(entry => join(entry.parentPath, entry.name)).filter(path => existsSync(path) && holds(readFileSync(path), text))
}

function holds(bytes: Buffer, text: string): boolean {
  if (bytes.includes(text)) return true
  if (bytes.subarray(0, 8).toString('latin1') !== 'CAIRNPK1') return false
  let found = false
  const read = (into: Uint8Array, length: number, offset: number): number => bytes.copy(into, 0, offset, Math.min(offset + length, bytes.length))
  scanSegments(read, bytes.length, (_kind, _offset, _length, plain) => {
    found ||= Buffer.from(plain.buffer, plain.byteOffset, plain.length).includes(text)
  })
  return found
}
