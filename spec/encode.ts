import { collectorSteps, commitSteps, foldSteps, forkerSteps, moverSteps, readerSteps, type State, viewerSteps, writerSteps } from './state.js'

const codes = <T extends string>(names: readonly T[]): Record<string, number> => Object.fromEntries(names.map((name, at) => [name, at]))
const writerCode = codes(writerSteps)
const commitCode = codes(commitSteps)
const foldCode = codes(foldSteps)
const forkerCode = codes(forkerSteps)
const collectorCode = codes(collectorSteps)
const moverCode = codes(moverSteps)
const viewerCode = codes(viewerSteps)
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

/** Mostly zeros: only the others, each with its place. */
function sparse(list: readonly number[]): void {
  for (let at = 0; at < list.length; at++) {
    if (list[at] === 0) continue
    u8(at)
    u8(list[at])
  }
  u8(255)
}

/** Writes every field, so that two states with the same bytes are the same state. */
export function encode(s: State, into: Uint8Array): number {
  out = into
  p = 0
  encodeStore(s)
  for (const w of s.writers) {
    u8(writerCode[w.step])
    u8(w.epoch)
    u8(w.seen)
    u8(w.ended ? 1 : 0)
    u8(w.next)
    u8(w.nextPack)
    u8(w.commitPack)
    u8(w.commitsLeft)
    u8(w.commits)
    u8(w.foldPack)
    u8(w.foldUpTo)
    u8(w.foldsLeft)
    u8(commitCode[w.commit])
    u8(foldCode[w.fold])
    u32(w.known)
    u32(w.refs)
    u32(w.foldKnown)
    u32(w.foldRefs)
  }
  const { forker, reader } = s
  u8(forkerCode[forker.step])
  u8(forker.seen)
  u8(forker.watermark)
  u32(forker.packs)
  for (const c of s.collectors) {
    u8(collectorCode[c.step])
    u8(c.roundsLeft)
    u8(c.epoch)
    u8(c.seen)
    u8(c.watermark)
    u8(c.fenced)
    u8(c.from)
    u8(c.to)
    u8(c.copies)
    u8(c.pinsSeen)
    for (const v of c.marks) u8(v)
    sparse(c.moved)
    u32(c.listing)
    u32(c.old)
    u32(c.refs)
    u32(c.garbage)
  }
  u8(readerCode[reader.step])
  u8(reader.seen)
  u8(reader.watermark)
  u32(reader.refs)
  u32(reader.commits)
  u32(reader.must)
  u8(moverCode[s.mover.step])
  u32(s.mover.packs)
  u8(viewerCode[s.viewer.step])
  u32(s.viewer.packs)
  return p
}

function encodeStore(s: State): void {
  const { head } = s
  u8(head.version)
  u8(head.by)
  u8(head.epoch)
  u8(head.fenced)
  u8(head.watermark)
  u8(head.mark)
  u8(head.markEpoch)
  u8(head.open ? 1 : 0)
  u32(head.folded)
  u32(head.packs)
  u32(s.packs)
  u8(s.pin === undefined ? 0 : 1)
  u32(s.pin ?? 0)
  u8(s.fork === undefined ? 9 : forkCode[s.fork.state])
  u32(s.fork?.packs ?? 0)
  u8(s.taking === undefined ? 0 : s.taking.done ? 2 : 1)
  u32(s.taking?.packs ?? 0)
  u32(s.other ?? 0)
  u32(s.hold)
  u8(s.gc.epoch)
  sparse(s.gc.moved)
  for (const record of s.log) {
    u8(record === undefined ? 0 : 1)
    if (record === undefined) continue
    u8(record.by)
    u8(record.epoch)
    u8(record.commit + 1)
    u8(record.mark)
    u32(record.packs)
  }
  u8(s.losable)
  u32(s.acked)
  sparse(s.winners)
  u8(s.wrong === '' ? 0 : 1)
}
