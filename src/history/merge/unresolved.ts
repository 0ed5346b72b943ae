import type { Volume } from '../../volume/volume.js'
import type { WaitingMerge } from './merge-state.js'
import { nodeAt, wholeContent } from './records.js'
import { TreeState } from './state.js'
import { CONFLICT_END, CONFLICT_START, isText } from './text.js'

/** Paths of conflicts that are not resolved: the file still has the markers, or their version still lies beside. */
export function unresolved(volume: Volume, waiting: WaitingMerge): string[] {
  const state = new TreeState(volume.stateAt().tree, volume.session.dirHash, volume.context.packs)
  const found: string[] = []
  for (const { path, markers, beside, resolved } of waiting.conflicts) {
    if (resolved !== undefined) continue
    if (markers === true && hasMarkers(state, path, waiting)) found.push(path)
    if (beside !== undefined && inodeAt(state, beside) !== undefined) found.push(beside)
  }
  return found
}

function hasMarkers(state: TreeState, path: string, { labels }: WaitingMerge): boolean {
  const node = nodeAt(state, inodeAt(state, path) ?? 0)
  if (node === undefined) return false
  const bytes = wholeContent(node)
  if (!isText(bytes)) return false
  const lines = bytes.toString('utf8').split('\n')
  return lines.includes(`${CONFLICT_START}${labels.ours}`) || lines.includes(`${CONFLICT_END}${labels.theirs}`)
}

function inodeAt(state: TreeState, path: string): number | undefined {
  let ino = 1
  for (const name of Buffer.from(path, 'utf8').toString('latin1').split('/').filter(Boolean)) {
    const entry = state.entry(ino, name)
    if (entry === undefined) return undefined
    ino = entry.ino
  }
  return ino
}
