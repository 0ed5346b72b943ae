import { crc32 } from 'node:zlib'
import { CairnError, CorruptError } from '../errors.js'
import { type CommitRecord, commitIdBound } from './history.js'
import { POINTER_BYTES } from './pointer.js'

/**
 * The head of a volume: the one mutable object (docs/format-packs.md, "Head"). JSON text, whose last member is the crc of the
 * text before it. Members of newer writers are kept when a head is changed by spreading it.
 */
export const HEAD_FORMAT = 1
/** Longest head, encoded; `limits.headBytes`. */
export const HEAD_BYTES = 8192

export interface Head {
  format: number
  /** 16 hex digits. */
  volume: string
  name: string
  createdMs: number
  /** Raised by each writer that takes the volume over. */
  epoch: number
  /** Writers of epochs below this one can publish nothing more. */
  fenced?: number
  /** An epoch, and the lowest number of a pack of it that its writer has not referenced yet and still may. */
  mark?: [number, number]
  /** A fork in the making: no volume yet. */
  pending?: true
  /** Raised by each publish. */
  sequence: number
  /** 16 hex digits, new with each publish: two heads never have the same bytes. */
  nonce: string
  lease?: { holder: string; sinceMs: number; untilMs: number }
  /** Pointer to the root page in hex; '' for an empty tree. */
  root: string
  /** The same for the history tree. */
  history: string
  /** Sequence of the last journal frame that the roots contain. */
  watermark: number
  /** The next inode number, within `arena`. */
  nextIno: number
  /** First and last inode number that this volume may give out. */
  arena: [number, number]
  inodes: number
  bytes: number
  /** Inode numbers in arenas below this one may come from another store: no new one is taken there. */
  arenaFloor?: number
  /** 16 hex digits; the same in all forks. */
  dirHashKey: string
  parent?: { volume: string; id: string; commit: string }
  /** Of a fork of an older state that was not opened yet: what is in its history and came after that state, from and to in milliseconds. */
  hidden?: { fromMs: number; toMs: number }
  /** Of a fork of what another host had published, which was no commit: the one that it begins with, until its history has it. */
  first?: { id: string; commit: CommitRecord }
  /** The first log object that the roots may not contain. `open`: writers of this epoch or earlier ones may still make log objects. */
  log?: { next: number; open?: true }
  deletedMs?: number
}

const CRC_MEMBER = /^([\s\S]*),"crc":"([0-9a-f]{8})"\}\s*$/

/** @throws CairnError ERR_HEAD_TOO_LARGE beyond `HEAD_BYTES` */
export function encodeHead(head: Head): Buffer {
  const { crc: _, ...members } = head as Head & { crc?: string }
  const problem = headProblem(members)
  if (problem !== '') throw new Error(`invariant broken: a head is valid: ${problem}`)
  const open = JSON.stringify(members).slice(0, -1)
  const bytes = Buffer.from(`${open},"crc":"${crc32(open).toString(16).padStart(8, '0')}"}\n`, 'utf8')
  if (bytes.length > HEAD_BYTES)
    throw new CairnError(
      'ERR_HEAD_TOO_LARGE',
      `The head of volume ${head.name} would have ${bytes.length} bytes; the limit is ${HEAD_BYTES}.`,
      'Give it a shorter name.',
    )
  return bytes
}

/**
 * @param object names the head in errors
 * @throws CorruptError when it does not verify; CairnError ERR_FORMAT for a newer format
 */
export function decodeHead(bytes: Uint8Array, object = 'the head'): Head {
  if (bytes.length > HEAD_BYTES) throw new CorruptError(object, `it has ${bytes.length} bytes`)
  const match = CRC_MEMBER.exec(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  if (match === null) throw new CorruptError(object, 'it is no head')
  const open = match[1]
  if (crc32(open) !== Number.parseInt(match[2], 16)) throw new CorruptError(object, 'its checksum does not match')
  let value: unknown
  try {
    value = JSON.parse(`${open}}`)
  } catch {
    throw new CorruptError(object, 'it is not JSON')
  }
  const members = value as Record<string, unknown>
  if (typeof members['format'] === 'number' && members['format'] > HEAD_FORMAT)
    throw new CairnError(
      'ERR_FORMAT',
      `${object} has format ${members['format']}; this version of cairn knows ${HEAD_FORMAT}.`,
      'Install a newer version of cairn.',
    )
  const problem = headProblem(members)
  if (problem !== '') throw new CorruptError(object, problem)
  return members as unknown as Head
}

const HEX_ID = /^[0-9a-f]{16}$/
const HEX_POINTER = new RegExp(`^([0-9a-f]{${2 * POINTER_BYTES}})?$`)

type Check = (value: unknown) => boolean
const isText: Check = value => typeof value === 'string'
const isId: Check = value => typeof value === 'string' && HEX_ID.test(value)
const isPointer: Check = value => typeof value === 'string' && HEX_POINTER.test(value)
const isCount: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
const isTime: Check = value => typeof value === 'number' && Number.isFinite(value)

const isCommitId: Check = value => typeof value === 'string' && value.length === 26 && commitIdBound(value, false) !== undefined
const isCommit: Check = value =>
  hasMembers(value, { kind: isText, root: isPointer, parents: Array.isArray, timeMs: isTime, inodes: isCount, bytes: isCount, nextIno: isCount })

const required: ReadonlyArray<readonly [keyof Head, Check]> = [
  ['volume', isId],
  ['name', isText],
  ['createdMs', isTime],
  ['epoch', isCount],
  ['sequence', isCount],
  ['nonce', isId],
  ['root', isPointer],
  ['history', isPointer],
  ['watermark', isCount],
  ['nextIno', isCount],
  ['arena', value => Array.isArray(value) && value.length === 2 && value.every(isCount)],
  ['inodes', isCount],
  ['bytes', isCount],
  ['dirHashKey', isId],
]

const optional: ReadonlyArray<readonly [keyof Head, Check]> = [
  ['lease', value => hasMembers(value, { holder: isText, sinceMs: isTime, untilMs: isTime })],
  ['parent', value => hasMembers(value, { volume: isText, id: isText, commit: isText })],
  ['hidden', value => hasMembers(value, { fromMs: isTime, toMs: isTime })],
  ['first', value => hasMembers(value, { id: isCommitId, commit: isCommit })],
  ['log', value => hasMembers(value, { next: isCount, open: open => open === undefined || open === true })],
  ['deletedMs', isTime],
  ['fenced', isCount],
  ['mark', value => Array.isArray(value) && value.length === 2 && value.every(isCount)],
  ['pending', value => value === true],
  ['arenaFloor', isCount],
]

function hasMembers(value: unknown, members: Record<string, Check>): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(members).every(([name, check]) => check((value as Record<string, unknown>)[name]))
}

/** What is wrong with the members; '' when nothing is. */
function headProblem(head: object): string {
  const members = head as Record<string, unknown>
  if (members['format'] !== HEAD_FORMAT) return 'it has no format'
  for (const [name, check] of required) if (!check(members[name])) return `its "${name}" is not right`
  for (const [name, check] of optional) if (members[name] !== undefined && !check(members[name])) return `its "${name}" is not right`
  return ''
}
