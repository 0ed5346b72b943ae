import { type DirHash, Ended } from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import type { BlockSink, BlockSource } from '../../volume/content.js'
import { Past } from '../../volume/versions/past.js'
import { MergeContext } from './context.js'
import { DirectoryMerge } from './merge-directories.js'
import { FileMerge } from './merge-files.js'
import { type Replaced, Side } from './side.js'
import { TreeState } from './state.js'
import type { MergeConflict, MergeLabels, Resolution } from './types.js'
import { WorkTree } from './work-tree.js'

export interface ThreeWayOptions {
  labels: MergeLabels
  /** Without one, conflicts get markers or their version beside ours. */
  resolution?: Resolution
  /** Only changes of theirs at paths for which this is true; one char per byte. */
  include?: (path: string) => boolean
  /** What the volumes of both sides know of the past: finds files that were renamed and then saved by rename. */
  histories: { ours: BTree; theirs: BTree }
  hash: DirHash
  /** Where the content of all three is read. */
  blocks: BlockSource
  /** Where merged text is written. */
  sink: BlockSink
  allocIno: () => number
  /** Time of what is merged. */
  nowS: number
  nowNs: number
}

export interface ThreeWayResult {
  /** A private fork of ours with their changes. */
  tree: BTree
  conflicts: MergeConflict[]
  /** It names stored blocks that ours did not, or did elsewhere. */
  takesBlocks: boolean
}

/**
 * Three-way merge of whole trees of one lineage, whose content is stored blocks only. None of them is changed. The result is a tree
 * whatever conflicts there are: no cycle, one parent per directory, right link counts, each conflict materialised as the options say.
 * O(changes on both sides).
 */
export function threeWay(base: BTree, ours: BTree, theirs: BTree, options: ThreeWayOptions): ThreeWayResult {
  const { hash, blocks } = options
  const stateOf = (tree: BTree): TreeState => new TreeState(tree, hash, blocks)
  const baseState = stateOf(base)
  const work = new WorkTree(ours.fork(), hash, blocks)
  const m = new MergeContext({
    base: baseState,
    // The fork freezes ours as it is now.
    ours: new Side(baseState, stateOf(ours), replacedIn(ours, options.histories.ours, hash)),
    theirs: new Side(baseState, stateOf(theirs), replacedIn(theirs, options.histories.theirs, hash)),
    work,
    node: {
      work,
      labels: options.labels,
      resolution: options.resolution,
      sink: options.sink,
      nowS: options.nowS,
      nowNs: options.nowNs,
    },
    include: options.include,
    allocIno: options.allocIno,
  })
  const directories = new DirectoryMerge(m)
  const files = new FileMerge(m, directories)
  directories.plan()
  files.collect()
  directories.detach()
  directories.removeDeleted()
  directories.place()
  files.place()
  files.settle()
  directories.mergeAttributes()
  work.settleLinks()
  return { tree: work.tree, conflicts: m.conflicts(), takesBlocks: work.takesBlocks }
}

function replacedIn(tree: BTree, history: BTree, hash: DirHash): Replaced {
  const past = new Past(tree, history, hash)
  return (dir, name) => past.ends(dir, name).flatMap(({ ended, ino }) => (ended === Ended.replaced ? [ino] : []))
}
