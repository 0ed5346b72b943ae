import { collectorSteps, commitSteps, foldSteps, forkerSteps, readerSteps, type State, writerSteps } from './state.js'

const codes = <T extends string>(names: readonly T[]): Record<string, number> => Object.fromEntries(names.map((name, at) => [name, at]))
const writerCode = codes(writerSteps)
const commitCode = codes(commitSteps)
const foldCode = codes(foldSteps)
const forkerCode = codes(forkerSteps)
const collectorCode = codes(collectorSteps)
const readerCode = codes(readerSteps)
const forkCode = codes(['pending', 'ready', 'void'])

let out: Uint8Array
let p = 0
const u8 = (v: number): void => {
  out[p++] = v
}
const u32 = (v: number): void => {
  out[p++] = v
  out[p++] = v >>> 8
  out[p++] = v >>> 16
  out[p++] = v >>> 24
}

/** Writes every field, so that two states with the same bytes are the same state. */
export function encode(s: State, into: Uint8Array): number {
  out = into
  p = 0
  encodeStore(s)
  for (const w of s.writers) {
    u8(writerCode[w.step])
    for (const v of [w.epoch, w.seen, w.next, w.nextPack, w.commitPack, w.commitsLeft, w.commits, w.foldPack, w.foldUpTo, w.foldsLeft]) u8(v)
    u8(commitCode[w.commit])
    u8(foldCode[w.fold])
    for (const v of [w.known, w.refs, w.foldKnown, w.foldRefs]) u32(v)
  }
  const { forker, reader } = s
  u8(forkerCode[forker.step])
  u8(forker.seen)
  u8(forker.watermark)
  u32(forker.packs)
  for (const c of s.collectors) {
    u8(collectorCode[c.step])
    for (const v of [c.roundsLeft, c.epoch, c.seen, c.watermark, c.fenced, c.from, c.to, c.copies]) u8(v)
    for (const v of c.marks) u8(v)
    for (const v of c.moved) u8(v)
    for (const v of [c.listing, c.old, c.refs, c.garbage]) u32(v)
  }
  u8(readerCode[reader.step])
  u8(reader.seen)
  u8(reader.watermark)
  for (const v of [reader.refs, reader.commits, reader.must]) u32(v)
  return p
}

function encodeStore(s: State): void {
  const { head } = s
  for (const v of [head.version, head.by, head.epoch, head.fenced, head.watermark, head.mark, head.markEpoch]) u8(v)
  u32(head.folded)
  u32(head.packs)
  u32(s.packs)
  u8(s.pin === undefined ? 0 : 1)
  u32(s.pin ?? 0)
  u8(s.fork === undefined ? 9 : forkCode[s.fork.state])
  u32(s.fork?.packs ?? 0)
  u8(s.gc.epoch)
  for (const v of s.gc.moved) u8(v)
  for (const record of s.log) {
    u8(record === undefined ? 0 : 1)
    if (record === undefined) continue
    for (const v of [record.by, record.epoch, record.commit + 1, record.mark]) u8(v)
    u32(record.packs)
  }
  u8(s.losable)
  u32(s.acked)
  for (const v of s.winners) u8(v)
  u8(s.wrong === '' ? 0 : 1)
}
