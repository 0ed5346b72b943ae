import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { isSymlink } from '../../codec/mode.js'
import { limits } from '../../sys/index.js'
import { base85Lines } from './base85.js'
import { countLines, diffLines, hunks, linesOf } from './line-diff.js'
import { looksBinary } from './looks-binary.js'

/** One side of a file's change. */
export interface PatchSide {
  /** From the root, without a slash before it; one char per byte. */
  path: string
  /** With the bits of the type: only those of git count, executable or not, and symbolic link. */
  mode: number
  size: number
  /** Content, or the target of a symbolic link; undefined when it is larger than `limits.patchFileBytes`. */
  bytes: Uint8Array | undefined
}

export interface PatchedFile {
  /** What `git apply` takes; nothing when git sees no difference. */
  patch: Buffer
  /** Lines; undefined for what is not text. */
  added?: number
  removed?: number
  /** Too large for a patch: it only says so. */
  tooLarge?: true
}

/** Bytes that git looks at to tell text from binary. */
const NO_HASH = '0'.repeat(40)

/** What git takes for binary; also what is too large for a diff by lines. */
export function isBinary(bytes: Uint8Array): boolean {
  return bytes.length > limits.diffTextBytes || looksBinary(bytes)
}

/** The change of one file as a git patch. `before` undefined: created; `after` undefined: deleted; two paths: renamed. */
export function gitPatch(before: PatchSide | undefined, after: PatchSide | undefined): PatchedFile {
  const header = headerOf(before, after)
  const unchanged = before !== undefined && after !== undefined && sameBytes(before, after)
  if (unchanged) return { patch: bytesOf(header.length > 1 ? header.join('') : ''), added: 0, removed: 0 }
  const [old, now] = [before === undefined ? none : before.bytes, after === undefined ? none : after.bytes]
  if (old === undefined || now === undefined) {
    header.push(`Binary files ${names(before, after).join(' and ')} differ\n`)
    return { patch: bytesOf(header.join('')), tooLarge: true }
  }
  const sameMode = before !== undefined && after !== undefined && gitMode(before.mode) === gitMode(after.mode) ? ` ${gitMode(after.mode)}` : ''
  header.push(`index ${before === undefined ? NO_HASH : blobHash(old)}..${after === undefined ? NO_HASH : blobHash(now)}${sameMode}\n`)
  if (isBinary(old) || isBinary(now)) {
    header.push(`GIT binary patch\n${literal(now)}\n${literal(old)}\n`)
    return { patch: bytesOf(header.join('')) }
  }
  const runs = diffLines(linesOf(old), linesOf(now))
  if (runs.length > 0) {
    const [from, to] = names(before, after)
    header.push(`--- ${spaced(from)}\n+++ ${spaced(to)}\n${hunks(runs)}`)
  }
  return { patch: bytesOf(header.join('')), ...countLines(runs) }
}

const none = new Uint8Array(0)
const bytesOf = (text: string) => Buffer.from(text, 'latin1')

function sameBytes(a: PatchSide, b: PatchSide): boolean {
  return a.size === b.size && a.bytes !== undefined && b.bytes !== undefined && Buffer.compare(a.bytes, b.bytes) === 0
}

/** The lines before the content; the first stands alone when nothing but content can differ. */
function headerOf(before: PatchSide | undefined, after: PatchSide | undefined): string[] {
  const [from, to] = [before ?? after, after ?? before] as [PatchSide, PatchSide] // one of them is there
  const header = [`diff --git ${quoted(`a/${from.path}`)} ${quoted(`b/${to.path}`)}\n`]
  if (before === undefined) header.push(`new file mode ${gitMode(to.mode)}\n`)
  else if (after === undefined) header.push(`deleted file mode ${gitMode(from.mode)}\n`)
  else {
    if (gitMode(from.mode) !== gitMode(to.mode)) header.push(`old mode ${gitMode(from.mode)}\nnew mode ${gitMode(to.mode)}\n`)
    if (from.path !== to.path) {
      if (sameBytes(from, to)) header.push('similarity index 100%\n')
      header.push(`rename from ${quoted(from.path)}\nrename to ${quoted(to.path)}\n`)
    }
  }
  return header
}

function names(before: PatchSide | undefined, after: PatchSide | undefined): [string, string] {
  return [before === undefined ? '/dev/null' : quoted(`a/${before.path}`), after === undefined ? '/dev/null' : quoted(`b/${after.path}`)]
}

/** A tab ends a name with spaces, which would else be cut off as a time. */
function spaced(name: string): string {
  return name.includes(' ') && !name.startsWith('"') ? `${name}\t` : name
}

function gitMode(mode: number): string {
  if (isSymlink(mode)) return '120000'
  return mode & 0o100 ? '100755' : '100644'
}

const escapes = new Map([
  [7, 'a'],
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [11, 'v'],
  [12, 'f'],
  [13, 'r'],
  [34, '"'],
  [92, '\\'],
])

/** A name as git writes it: in quotes when it has bytes that a terminal or a parser would take for something else. */
export function quoted(name: string): string {
  let text = ''
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    const short = escapes.get(code)
    if (short !== undefined) text += `\\${short}`
    else if (code < 32 || code > 126) text += `\\${code.toString(8).padStart(3, '0')}`
    else text += name[i]
  }
  return text === name ? name : `"${text}"`
}

/** What git calls the object of these bytes. */
function blobHash(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

function literal(bytes: Uint8Array): string {
  return `literal ${bytes.length}\n${base85Lines(deflateSync(bytes))}`
}
