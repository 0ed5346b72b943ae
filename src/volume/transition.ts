import type { Head } from '../codec/head.js'
import { commitIdText, decodeCommit, Tag } from '../codec/index.js'
import { CorruptError, PageMiss } from '../errors.js'
import type { LocalStore, StoredObject } from '../store/contract.js'
import { type BTree, TreeDiff } from '../tree/index.js'
import { TreeChanges } from './tree-changes.js'

/** Trees of a state that is stored. */
export interface Trees {
  tree: BTree
  history: BTree
}

/** Steps between two looks at the time. */
const STEPS_AT_ONCE = 64
const COMMITS = Buffer.from([Tag.commit])
const AFTER_COMMITS = Buffer.from([Tag.commit + 1])

/**
 * The way of a reader from the state that it shows to another one, in slices: what differs is found out before anything is changed. Where pages of the old
 * state are gone from the store, collected since, all counts as changed: whoever caches must ask again.
 */
export class Transition {
  readonly found: StoredObject
  readonly head: Head
  readonly to: Trees
  readonly changes: TreeChanges
  /** Commits whose tree is another one: something was purged from them. */
  readonly rewritten: string[] = []
  readonly #store: Pick<LocalStore, 'mayMiss'>
  readonly #work: Iterator<PageMiss | undefined, void>
  #isDone = false
  #mayMiss = false

  /**
   * @param store of the trees
   * @param changes to which it is added what differs
   */
  constructor(store: Pick<LocalStore, 'mayMiss'>, from: Trees, to: Trees, head: Head, found: StoredObject, changes = new TreeChanges()) {
    this.#store = store
    this.changes = changes
    this.to = to
    this.head = head
    this.found = found
    this.#work = this.#differences(from)
  }

  /** Finds out all, and waits for what it needs. @throws as `step` */
  finish(): this {
    this.step(() => false, false)
    return this
  }

  /**
   * Works for about so long. True when all is known; what it misses where it may miss something.
   * @throws CorruptError when the new state cannot be read; what the store says
   */
  step(isTimeOver: () => boolean, mayMiss: boolean): boolean | PageMiss {
    this.#mayMiss = mayMiss && this.#store.mayMiss !== undefined
    while (!this.#isDone && !isTimeOver()) {
      const { done, value } = this.#work.next()
      this.#isDone = done === true
      if (value instanceof PageMiss) return value
    }
    return this.#isDone
  }

  *#differences(from: Trees): Generator<PageMiss | undefined, void> {
    try {
      yield* this.#inSteps(() => new TreeDiff(from.tree, this.to.tree, (key, was, is) => this.changes.note(key, was, is)))
      const range = { from: COMMITS, to: AFTER_COMMITS }
      yield* this.#inSteps(() => new TreeDiff(from.history, this.to.history, (key, was, is) => this.#noteCommit(key, was, is), range))
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      yield* noteAll(this.to.tree, this.changes)
      yield* entriesOf(this.to.history, key => this.#noteAnyCommit(key))
    }
  }

  /** A step that misses a page has changed nothing, and is made again. */
  *#inSteps(begin: () => TreeDiff): Generator<PageMiss | undefined, void> {
    let diff: TreeDiff | undefined
    for (let isOver = false; !isOver; ) {
      let miss: PageMiss | undefined
      if (this.#mayMiss) this.#store.mayMiss = true
      try {
        diff ??= begin()
        isOver = diff.step(STEPS_AT_ONCE)
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error
        miss = error
      } finally {
        if (this.#mayMiss) this.#store.mayMiss = false
      }
      if (!isOver) yield miss
    }
  }

  #noteAnyCommit(key: Uint8Array): void {
    if (key[0] === Tag.commit) this.rewritten.push(commitIdText(key.subarray(1)))
  }

  #noteCommit(key: Uint8Array, was: Uint8Array | undefined, is: Uint8Array | undefined): void {
    if (was === undefined || is === undefined) return
    if (decodeCommit(was, 0, was.length).root !== decodeCommit(is, 0, is.length).root) this.rewritten.push(commitIdText(key.subarray(1)))
  }
}

/** Everything that a tree has, for those who do not know what was before. */
export function* noteAll(tree: BTree, changes: TreeChanges): Generator<undefined, void> {
  changes.isAll = true
  yield* entriesOf(tree, (key, value) => changes.note(key, undefined, value))
}

function* entriesOf(tree: BTree, visit: (key: Uint8Array, value: Uint8Array) => void): Generator<undefined, void> {
  const cursor = tree.cursor()
  let count = 0
  for (let more = cursor.seek(new Uint8Array(1), 0); more; more = cursor.next()) {
    visit(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl), cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
    if (++count % STEPS_AT_ONCE === 0) yield undefined
  }
}
