import {
  Attr,
  BLOCK_HOLE,
  ContentKind,
  decodePastName,
  decodePrunedName,
  decodeVersion,
  getIno,
  isVersionBlock,
  Part,
  PREFIX_BYTES,
  pastNameEnd,
  SEQUENCE_BYTES,
  Tag,
  VERSION_KEY_BYTES,
  versionBlock,
  versionSequence,
} from '../../codec/index.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import type { Cursor } from '../../tree/tree.js'
import { EXTENT_BYTES, EXTENT_STORED } from '../content.js'

const BLOCK = limits.blockBytes
const attr = new Attr()

/** Told of each fault. */
export type OnProblem = (object: string, problem: string) => void

/** Checks every record of the versions in a history tree, and that parts belong to states that have them; not the blocks that they name. @throws CorruptError */
export function checkVersions(history: BTree, problem: OnProblem): void {
  const cursor = history.cursor()
  const check = new Check(problem)
  let more = cursor.seek(Buffer.from([Tag.version]), 1)
  for (; more && cursor.buf[cursor.kp] === Tag.version; more = cursor.next()) check.version(cursor)
  more = cursor.seek(Buffer.from([Tag.pastName]), 1)
  for (; more && cursor.buf[cursor.kp] === Tag.pastName; more = cursor.next()) check.pastName(cursor)
  more = cursor.seek(Buffer.from([Tag.prunedState]), 1)
  for (; more && cursor.buf[cursor.kp] === Tag.prunedState; more = cursor.next()) check.prunedState(cursor)
}

class Check {
  readonly #problem: OnProblem
  /** The state whose parts come next. */
  #ino = 0
  #sequence = 0
  #needsContent = false

  constructor(problem: OnProblem) {
    this.#problem = problem
  }

  version(c: Cursor): void {
    const ino = getIno(c.buf, c.kp + 1)
    const label = `inode ${ino}`
    if (c.kl < VERSION_KEY_BYTES) {
      this.#problem(label, 'the key of a version is too short')
      return
    }
    const sequence = versionSequence(c.buf, c.kp)
    if (c.kl === VERSION_KEY_BYTES) this.#state(c, ino, sequence)
    else if (ino !== this.#ino || sequence !== this.#sequence) this.#problem(label, `version ${sequence} has parts but no record`)
    else this.#part(c, `version ${sequence} of ${label}`)
  }

  #state(c: Cursor, ino: number, sequence: number): void {
    this.#ino = ino
    this.#sequence = sequence
    const label = `version ${sequence} of inode ${ino}`
    try {
      const { apart, content } = decodeVersion(c.buf, c.vp, c.vl, attr)
      const isWhole = attr.kind === ContentKind.inline || (attr.kind === ContentKind.small && !apart)
      if (isWhole ? content.length !== attr.size : content.length > 0) this.#problem(label, `its size is ${attr.size} but ${content.length} bytes are stored`)
      this.#needsContent = attr.kind === ContentKind.small && apart
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#problem(label, `it is malformed: ${error.message}`)
    }
  }

  #part(c: Cursor, label: string): void {
    const part = c.buf[c.kp + VERSION_KEY_BYTES]
    if (part === Part.content && c.kl === VERSION_KEY_BYTES + 1) {
      if (!this.#needsContent || c.vl !== attr.size) this.#problem(label, 'it has content that its record does not know')
    } else if (isVersionBlock(c.buf, c.kp, c.kl)) this.#block(c, label)
    else if (part !== Part.xattr) this.#problem(label, `it has a part of an unknown kind ${part}`)
  }

  #block(c: Cursor, label: string): void {
    const block = versionBlock(c.buf, c.kp)
    const isHole = c.vl === 1 && c.buf[c.vp] === BLOCK_HOLE
    if (attr.kind !== ContentKind.blocks || block * BLOCK >= attr.size) this.#problem(label, `it has a block ${block} that its record does not know`)
    else if (!isHole && (c.vl !== EXTENT_BYTES || c.buf[c.vp] !== EXTENT_STORED)) this.#problem(label, `its block ${block} is malformed`)
  }

  prunedState(c: Cursor): void {
    const label = `what was pruned of inode ${getIno(c.buf, c.kp + 1)}`
    if (c.kl !== VERSION_KEY_BYTES) this.#problem(label, 'its key has a wrong length')
    try {
      if (decodePrunedName(c.buf, c.vp, c.vl) === 0) this.#problem(label, 'it counts nothing')
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#problem(label, `it is malformed: ${error.message}`)
    }
  }

  pastName(c: Cursor): void {
    const end = pastNameEnd(c.buf, c.kp, c.kl) - c.kp
    const label = `past name '${Buffer.from(c.buf.subarray(c.kp + PREFIX_BYTES, c.kp + end)).toString('utf8')}' in inode ${getIno(c.buf, c.kp + 1)}`
    try {
      if (c.kl === end + 1) decodePrunedName(c.buf, c.vp, c.vl)
      else if (c.kl === end + 1 + SEQUENCE_BYTES) decodePastName(c.buf, c.vp, c.vl)
      else this.#problem(label, 'its key has a wrong length')
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#problem(label, `it is malformed: ${error.message}`)
    }
  }
}
