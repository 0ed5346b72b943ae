import { View } from '../views/index.js'

/**
 * Nodes of the kernel: view (11 bits) · 2^53 + inode. View 0 is the live volume, 1 to 1023 are views of other states. From 1024 on it is the live
 * volume again: files that were open when the volume went to another state, and mean something else since. What was opened before keeps
 * the old node, with pages and locks of its own, and is stale.
 */
export const VIEW_SHIFT = 21
/** The inode's part of the upper word. */
export const IN_VIEW = (1 << VIEW_SHIFT) - 1
export const LIVE_VIEW = 0
const FIRST_INCARNATION_VIEW = View.last + 1
const INCARNATION_VIEWS = 1024

export function isLiveView(view: number): boolean {
  return view === LIVE_VIEW || view >= FIRST_INCARNATION_VIEW
}

/** The view of an inode of the live volume in its present incarnation (`Session.incarnation`). */
export function viewOfIncarnation(incarnation: number): number {
  return incarnation === 0 ? LIVE_VIEW : FIRST_INCARNATION_VIEW + ((incarnation - 1) % INCARNATION_VIEWS)
}

/** Tells two incarnations of the same view apart: the kernel makes what it holds of the older one bad. */
export function generationOfIncarnation(incarnation: number): number {
  return incarnation === 0 ? 0 : Math.floor((incarnation - 1) / INCARNATION_VIEWS)
}
