// What a pointer costs to follow: by its hint, through a relocation index after repacking, or through a global index of hashes.
//   npm run build && node --expose-gc bench/experiments/hints-repack.mjs
// The work is finding the place (pack and offset) of a segment among N, in memory, in random order; reading it is left out.
import { randomFillSync } from 'node:crypto'
import { cpus } from 'node:os'
import { encodePointer, PACK_ID_BYTES, POINTER_BYTES, pointerOffset } from '../../dist/codec/pointer.js'
import { RelocationIndex } from '../../dist/codec/relocation.js'

const HASH_BYTES = 32
const SEGMENTS_PER_PACK = 1000
const LOOKUPS = 200_000
const RUNS = 5

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1]
}

/** Nanoseconds of processor time per look-up, so that other work on the machine counts less: median of the runs, smallest and largest. `find` returns an offset, summed so that it is not dropped. */
function measure(pointers, order, find) {
  const times = []
  let sum = 0
  for (let run = -1; run < RUNS; run++) {
    const start = process.cpuUsage()
    for (let i = 0; i < LOOKUPS; i++) sum += find(pointers, order[i] * POINTER_BYTES)
    if (run >= 0) times.push((process.cpuUsage(start).user * 1000) / LOOKUPS)
  }
  if (!(sum > 0)) throw new Error('nothing was found')
  return { median: median(times), min: Math.min(...times), max: Math.max(...times) }
}

function packId(number) {
  const id = Buffer.alloc(PACK_ID_BYTES, 7)
  id.writeUInt32BE(1, 8)
  id.writeUInt32BE(number, 12)
  return id
}

function build(n) {
  const pointers = Buffer.allocUnsafe(n * POINTER_BYTES)
  const hashes = Buffer.allocUnsafe(n * HASH_BYTES)
  for (let at = 0; at < hashes.length; at += 1 << 30) randomFillSync(hashes, at, Math.min(1 << 30, hashes.length - at))
  for (let i = 0; i < n; i++) {
    const hash = hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
    const pack = packId(Math.floor(i / SEGMENTS_PER_PACK))
    encodePointer(pointers, i * POINTER_BYTES, { hash, pack, offset: 64 + (i % SEGMENTS_PER_PACK) * 8200, length: 8200, birth: i })
  }
  return { pointers, hashes }
}

/** An index that says of every segment that it moved. */
function relocated(n) {
  const relocations = Array.from({ length: n }, (_, i) => ({
    oldPack: packId(Math.floor(i / SEGMENTS_PER_PACK)),
    oldOffset: 64 + (i % SEGMENTS_PER_PACK) * 8200,
    newPack: packId(1_000_000 + Math.floor(i / SEGMENTS_PER_PACK)),
    newOffset: 64 + (i % SEGMENTS_PER_PACK) * 4100,
  }))
  return RelocationIndex.from(relocations)
}

/** Packs by id, as a reader keeps them open; the last one is remembered. */
function packTable(count) {
  const packs = new Map()
  for (let i = 0; i < count; i++) packs.set(packId(i).toString('latin1'), i)
  return packs
}

function packKey(pointers, at) {
  return pointers.latin1Slice(at + HASH_BYTES, at + HASH_BYTES + PACK_ID_BYTES)
}

/** Open addressing over the first 16 bytes of each hash: 16 + 4 (pack) + 5 (offset) bytes a place, half of the places in use. */
class HashIndex {
  constructor(n) {
    this.places = 1 << Math.ceil(Math.log2(n * 1.5))
    this.keys = new Int32Array(this.places * 4)
    this.pack = new Uint32Array(this.places)
    this.offset = new Uint32Array(this.places)
    this.high = new Uint8Array(this.places)
    this.bytes = this.places * 25
  }

  slot(words, w) {
    const mask = this.places - 1
    let at = words[w] & mask
    for (;;) {
      const k = at * 4
      if (this.keys[k] === 0 && this.keys[k + 1] === 0) return ~at
      if (this.keys[k] === words[w] && this.keys[k + 1] === words[w + 1] && this.keys[k + 2] === words[w + 2] && this.keys[k + 3] === words[w + 3]) return at
      at = (at + 1) & mask
    }
  }

  add(words, pack, offset) {
    const at = ~this.slot(words, 0)
    this.keys.set(words.subarray(0, 4), at * 4)
    this.pack[at] = pack
    this.offset[at] = offset
  }
}

function wordsOf(bytes, at, into) {
  for (let i = 0; i < 4; i++) into[i] = bytes.readInt32LE(at + i * 4)
}

function usedBytes() {
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

console.log(`${cpus()[0].model}, Node ${process.versions.node}, ${LOOKUPS} look-ups, median of ${RUNS} (smallest–largest)\n`)
console.log('| segments | way | ns per look-up | memory beside the pointers |\n|---|---|---|---|')
for (const n of [10_000, 100_000, 1_000_000]) {
  const { pointers, hashes } = build(n)
  const order = Uint32Array.from({ length: LOOKUPS }, () => Math.floor(Math.random() * n))
  const packs = packTable(n / SEGMENTS_PER_PACK)
  const row = (way, time, bytes) => {
    const memory = bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(0)} kB`
    console.log(`| ${n.toLocaleString('en')} | ${way} | ${time.median.toFixed(0)} (${time.min.toFixed(0)}–${time.max.toFixed(0)}) | ${memory} |`)
  }

  row(
    'hint: pack by its id, offset from the pointer',
    measure(pointers, order, (p, at) => packs.get(packKey(p, at)) + pointerOffset(p, at)),
    packs.size * 80,
  )

  const index = relocated(n)
  const none = new Map()
  const missed = (p, at) => {
    if (none.get(packKey(p, at)) !== undefined || !index.find(p, at + HASH_BYTES, pointerOffset(p, at))) throw new Error('not relocated')
    return index.newOffset
  }
  row('hint missed, sorted relocation index', measure(pointers, order, missed), index.encode().length)

  const table = new HashIndex(n)
  const words = new Int32Array(4)
  for (let i = 0; i < n; i++) {
    wordsOf(hashes, i * HASH_BYTES, words)
    table.add(words, Math.floor(i / SEGMENTS_PER_PACK), 64 + (i % SEGMENTS_PER_PACK) * 8200)
  }
  const byHash = (p, at) => {
    wordsOf(p, at, words)
    const slot = table.slot(words, 0)
    return table.pack[slot] + table.offset[slot]
  }
  row('global index of hashes: open addressing, typed arrays', measure(pointers, order, byHash), table.bytes)

  const before = usedBytes()
  const map = new Map()
  for (let i = 0; i < n; i++) map.set(hashes.latin1Slice(i * HASH_BYTES, i * HASH_BYTES + 16), i)
  const mapBytes = usedBytes() - before
  row(
    'global index of hashes: Map',
    measure(pointers, order, (p, at) => map.get(p.latin1Slice(at, at + 16)) + 1),
    mapBytes,
  )
}
