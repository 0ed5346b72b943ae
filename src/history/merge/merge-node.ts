import { Attr, AttrFlag, ContentKind } from '../../codec/index.js'
import { isRegular, S_IFMT } from '../../fs/index.js'
import { limits } from '../../sys/index.js'
import type { BlockSink } from '../../volume/content.js'
import { hasBytes, type Node, sameChunks, sameContent, sameNode, storedWhole, wholeContent, xattrsOf } from './records.js'
import { isText, mergeAdded, mergeText, type TextMerge } from './text.js'
import type { ConflictKind, MergeConflict, MergeLabels, Resolution } from './types.js'
import type { WorkTree } from './work-tree.js'

export interface MergeNodeContext {
  work: WorkTree
  labels: MergeLabels
  resolution: Resolution | undefined
  sink: BlockSink
  nowS: number
  nowNs: number
}

/** One file, or one directory's attributes, in the three states. Ours is there; without a base both were added. */
export interface Three {
  base: Node | undefined
  ours: Node
  theirs: Node
}

/** A conflict before its place is known. */
export type NodeConflict = Omit<MergeConflict, 'path'>

export interface NodeResult {
  conflicts: NodeConflict[]
  /** Their version goes beside. */
  beside: boolean
}

const clean: NodeResult = { conflicts: [], beside: false }
const noBytes = Buffer.alloc(0)

/**
 * Makes `ino` of the result the merge of three versions. Links and place are kept as they are in the result.
 * Equal content is never a conflict, times never are.
 */
export function mergeNode(c: MergeNodeContext, three: Three, ino: number): NodeResult {
  const { base, ours, theirs } = three
  if (base !== undefined && sameNode(base, ours)) {
    if (!sameNode(base, theirs)) c.work.copyFrom(withTimes(three), ino)
    else mergeTimes(c, three, ino)
    return clean
  }
  if (ino !== ours.ino) c.work.copyFrom(ours, ino)
  const merge = new NodeMerge(c, three, ino)
  merge.run()
  return { conflicts: merge.conflicts, beside: merge.beside }
}

/** Each time as the side has it that changed it; the later one where both did. */
function takeTimes(into: Attr, { base, ours, theirs }: Three): void {
  const [b, o, t] = [base?.attr, ours.attr, theirs.attr]
  const access = later(b?.atimeS, b?.atimeNs, o.atimeS, o.atimeNs, t.atimeS, t.atimeNs) ? t : o
  const content = later(b?.mtimeS, b?.mtimeNs, o.mtimeS, o.mtimeNs, t.mtimeS, t.mtimeNs) ? t : o
  const change = later(b?.ctimeS, b?.ctimeNs, o.ctimeS, o.ctimeNs, t.ctimeS, t.ctimeNs) ? t : o
  const birth = later(b?.btimeS, b?.btimeNs, o.btimeS, o.btimeNs, t.btimeS, t.btimeNs) ? t : o
  const { atimeS, atimeNs } = access
  const { mtimeS, mtimeNs } = content
  const { ctimeS, ctimeNs } = change
  const { btimeS, btimeNs } = birth
  Object.assign(into, { atimeS, atimeNs, mtimeS, mtimeNs, ctimeS, ctimeNs, btimeS, btimeNs })
}

/** Whether theirs is the time to take. */
function later(bS: number | undefined, bNs: number | undefined, oS: number, oNs: number, tS: number, tNs: number): boolean {
  if (tS === bS && tNs === bNs) return false
  if (oS === bS && oNs === bNs) return true
  return tS > oS || (tS === oS && tNs > oNs)
}

/** Their version with the merged times. */
function withTimes(three: Three): Node {
  const attr = new Attr()
  attr.copyFrom(three.theirs.attr)
  takeTimes(attr, three)
  return { ...three.theirs, attr }
}

function mergeTimes(c: MergeNodeContext, three: Three, ino: number): void {
  const attr = new Attr()
  if (ino !== three.ours.ino) c.work.copyFrom(three.ours, ino)
  c.work.readAttr(ino, attr)
  takeTimes(attr, three)
  c.work.putAttr(ino, attr, inlineOf(c.work, ino, attr))
}

function inlineOf(work: WorkTree, ino: number, attr: Attr): Buffer {
  return attr.kind === ContentKind.inline ? (storedWhole({ state: work, ino, attr }) ?? noBytes) : noBytes
}

class NodeMerge {
  readonly conflicts: NodeConflict[] = []
  beside = false
  readonly #c: MergeNodeContext
  readonly #three: Three
  readonly #ino: number
  readonly #attr = new Attr()
  #inline: Buffer = noBytes

  constructor(c: MergeNodeContext, three: Three, ino: number) {
    this.#c = c
    this.#three = three
    this.#ino = ino
  }

  run(): void {
    const { work } = this.#c
    work.readAttr(this.#ino, this.#attr)
    this.#inline = inlineOf(work, this.#ino, this.#attr)
    takeTimes(this.#attr, this.#three)
    this.#content()
    this.#mode()
    this.#owner()
    this.#immutable()
    this.#xattrs()
    work.setXattrFlag(this.#ino, this.#attr)
    work.putAttr(this.#ino, this.#attr, this.#inline)
  }

  #conflict(kind: ConflictKind, more: Partial<NodeConflict> = {}): void {
    const { resolution } = this.#c
    const state = this.#three.base === undefined ? 'added' : 'modified'
    this.conflicts.push({ kind, ours: { state }, theirs: { state }, ...(resolution === undefined ? {} : { resolved: resolution }), ...more })
  }

  #content(): void {
    const { base, ours, theirs } = this.#three
    if (sameContent(ours, theirs)) return
    if (base !== undefined && sameContent(base, theirs)) return
    if (base !== undefined && sameContent(base, ours)) this.#takeContent()
    else {
      const reason = this.#mergeAsText()
      if (reason !== undefined) this.#keepBoth(reason)
    }
  }

  #takeContent(): void {
    const { theirs } = this.#three
    const { attr } = theirs
    this.#c.work.copyContent(theirs, this.#ino)
    this.#attr.kind = attr.kind
    this.#attr.size = attr.size
    this.#attr.blocks = attr.blocks
    this.#attr.rdev = attr.rdev
    this.#attr.mode = (this.#attr.mode & ~S_IFMT) | (attr.mode & S_IFMT)
    this.#inline = attr.kind === ContentKind.inline ? (storedWhole(theirs) ?? noBytes) : noBytes
  }

  /** Why it cannot be done; undefined: it is. */
  #mergeAsText(): NodeConflict['reason'] {
    const texts = this.#texts()
    if (typeof texts === 'string') return texts
    const { resolution, labels } = this.#c
    const prefer = resolution === 'theirs' ? 'theirs' : resolution === undefined ? undefined : 'ours'
    const [b, o, t] = texts
    const merged: TextMerge | undefined = b === undefined ? mergeAdded(o, t, labels, prefer) : mergeText(b, o, t, labels, prefer)
    if (merged === undefined) return 'too-many-changes'
    this.#attr.mtimeS = this.#attr.ctimeS = this.#c.nowS
    this.#attr.mtimeNs = this.#attr.ctimeNs = this.#c.nowNs
    this.#inline = this.#c.work.writeContent(this.#ino, this.#attr, Buffer.from(merged.text, 'latin1'), this.#c.sink)
    if (merged.conflicts === 0) return undefined
    if (resolution === 'keep-both') this.beside = true
    this.#conflict(b === undefined ? 'add/add' : 'text', resolution === undefined ? { markers: true } : {})
    return undefined
  }

  #texts(): [string | undefined, string, string] | 'no-text' | 'too-large' {
    const { base, ours, theirs } = this.#three
    const nodes = base === undefined ? [ours, theirs] : [ours, theirs, base]
    if (!nodes.every(({ attr }) => isRegular(attr.mode))) return 'no-text'
    if (!nodes.every(({ attr }) => attr.size <= limits.mergeTextBytes)) return 'too-large'
    const bytes = nodes.map(wholeContent)
    if (!bytes.every(isText)) return 'no-text'
    const [o, t, b] = bytes.map(content => content.toString('latin1'))
    return [b, o, t]
  }

  /** Ours stays, theirs goes beside, unless an option says which one it is. */
  #keepBoth(reason: NodeConflict['reason']): void {
    const { base, ours, theirs } = this.#three
    const { resolution } = this.#c
    if (resolution === 'theirs') this.#takeContent()
    else if (resolution !== 'ours') this.beside = true
    const sameType = (ours.attr.mode & S_IFMT) === (theirs.attr.mode & S_IFMT)
    const hasContent = sameType && hasBytes(ours.attr)
    this.#conflict(base === undefined ? 'add/add' : hasContent ? 'binary' : 'type', hasContent && reason !== undefined ? { reason } : {})
  }

  #mode(): void {
    const { base, ours, theirs } = this.#three
    const mask = ~S_IFMT
    const b = base === undefined ? undefined : base.attr.mode & mask
    const mode = this.#choose(b, ours.attr.mode & mask, theirs.attr.mode & mask, 'mode/mode')
    this.#attr.mode = (this.#attr.mode & S_IFMT) | mode
  }

  #owner(): void {
    const { base, ours, theirs } = this.#three
    this.#attr.uid = this.#choose(base?.attr.uid, ours.attr.uid, theirs.attr.uid, 'owner/owner')
    this.#attr.gid = this.#choose(base?.attr.gid, ours.attr.gid, theirs.attr.gid, 'owner/owner')
  }

  #choose(base: number | undefined, ours: number, theirs: number, kind: ConflictKind): number {
    if (ours === theirs || theirs === base) return ours
    if (ours === base) return theirs
    this.#conflict(kind)
    return this.#c.resolution === 'theirs' ? theirs : ours
  }

  #immutable(): void {
    const { base, ours, theirs } = this.#three
    const flag = ({ attr }: Node): number => attr.flags & AttrFlag.immutable
    // Two values only: where both differ from the base they agree; without a base the careful one wins.
    const value = base === undefined ? flag(ours) | flag(theirs) : flag(ours) !== flag(base) ? flag(ours) : flag(theirs)
    this.#attr.flags = (this.#attr.flags & ~AttrFlag.immutable) | value
  }

  #xattrs(): void {
    const { base, ours, theirs } = this.#three
    const o = xattrsOf(ours.state, ours.ino)
    const t = xattrsOf(theirs.state, theirs.ino)
    const b = base === undefined ? undefined : xattrsOf(base.state, base.ino)
    for (const name of new Set([...o.keys(), ...t.keys()])) {
      const [mine, other, was] = [o.get(name), t.get(name), b?.get(name)]
      if (sameChunks(mine, other) || (b !== undefined && sameChunks(was, other))) continue
      // Attributes that only one of two new files has are no contradiction.
      const isTheirs = b === undefined ? mine === undefined : sameChunks(was, mine)
      if (b === undefined && other === undefined) continue
      if (!isTheirs) this.#conflict('xattr/xattr', { attribute: Buffer.from(name, 'latin1').toString('utf8') })
      if (isTheirs || this.#c.resolution === 'theirs') {
        this.#c.work.delXattr(this.#ino, name)
        if (other !== undefined) this.#c.work.putXattr(this.#ino, name, other)
      }
    }
  }
}
