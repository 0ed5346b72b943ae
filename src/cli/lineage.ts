import type { VolumeInfo } from '../volume/api.js'
import { fullTime } from './format.js'
import { SHORT_ID } from './log.js'
import type { Output } from './output.js'

/** A volume with its forks. */
export interface Lineage {
  name: string
  id: string
  /** It is deleted, and can be brought back until its time is over. */
  deletedMs?: number
  /** It is deleted for good: only its forks know of it. */
  gone?: true
  problem?: string
  /** The commit that it was forked from; absent when that was the state of then. */
  commit?: string
  forks: Lineage[]
}

/** Volumes by what they were forked from. A parent that was deleted stands where it was. */
export function lineageOf(volumes: readonly VolumeInfo[], deleted: readonly VolumeInfo[]): Lineage[] {
  const nodes = new Map<string, Lineage>()
  const all = [...volumes, ...deleted]
  for (const { name, id, deletedMs, problem, parent } of all) {
    const details = { ...(deletedMs === undefined ? {} : { deletedMs }), ...(problem === undefined ? {} : { problem }) }
    nodes.set(id, { name, id, ...details, ...(parent === undefined || parent.commit === '' ? {} : { commit: parent.commit }), forks: [] })
  }
  for (const { parent } of all) {
    if (parent !== undefined && !nodes.has(parent.id)) nodes.set(parent.id, { name: parent.volume, id: parent.id, gone: true, forks: [] })
  }
  const roots = new Set(nodes.values())
  for (const { id, parent } of all) {
    const node = nodes.get(id)
    const above = parent === undefined ? undefined : nodes.get(parent.id)
    if (node === undefined || above === undefined) continue
    above.forks.push(node)
    roots.delete(node)
  }
  return sorted([...roots]).filter(isOfInterest)
}

function sorted(nodes: Lineage[]): Lineage[] {
  for (const node of nodes) node.forks = sorted(node.forks).filter(isOfInterest)
  return nodes.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** A deleted volume counts only for what was forked from it. */
function isOfInterest(node: Lineage): boolean {
  return (node.deletedMs === undefined && node.gone === undefined) || node.forks.length > 0
}

export function lineageLines(nodes: readonly Lineage[], out: Output): string[] {
  return nodes.flatMap(node => [label(node, out), ...branches(node.forks, '', out)])
}

function branches(nodes: readonly Lineage[], indent: string, out: Output): string[] {
  return nodes.flatMap((node, i) => {
    const last = i === nodes.length - 1
    return [`${indent}${last ? '└── ' : '├── '}${label(node, out)}`, ...branches(node.forks, `${indent}${last ? '    ' : '│   '}`, out)]
  })
}

function label({ name, deletedMs, gone, problem, commit }: Lineage, out: Output): string {
  const from = commit === undefined ? '' : `  from ${commit.slice(0, SHORT_ID)}`
  if (gone === true) return out.dim(`${name}  (deleted)`)
  if (deletedMs !== undefined) return out.dim(`${name}${from}  (deleted ${fullTime(deletedMs)})`)
  return `${name}${from}${problem === undefined ? '' : `  ${problem}`}`
}
