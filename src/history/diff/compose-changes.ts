import type { Change } from '../../volume/api.js'

type Also = NonNullable<Change['also']>

/**
 * What several steps changed in all, each told as changes from the state before it, the first step first. Between them others may have changed other things.
 * Cost: all changes; a renamed directory also those that were made below it before.
 */
export function composeChanges(steps: readonly (readonly Change[])[]): Change[] {
  if (steps.length === 1) return [...steps[0]]
  const all = new Map<string, Change>()
  for (const step of steps) {
    for (const change of step) if (change.kind === 'renamed' && change.type === 'directory') moveBelow(all, change.from ?? '', change.path)
    for (const change of joinedWith(all, step)) all.set(change.path, change)
  }
  return [...all.values()]
}

/** What was changed in a directory stands under the path that it has now. */
function moveBelow(all: Map<string, Change>, from: string, to: string): void {
  const below = [...all.values()].filter(({ kind, path }) => kind !== 'deleted' && path.startsWith(`${from}/`))
  for (const change of below) {
    all.delete(change.path)
    const path = to + change.path.slice(from.length)
    all.set(path, { ...change, path })
  }
}

/** All changes of a step happen at once: what was renamed takes its own past along before another file has its name. */
function joinedWith(all: Map<string, Change>, step: readonly Change[]): Change[] {
  const taken = (path: string): Change | undefined => {
    const before = all.get(path)
    all.delete(path)
    return before
  }
  const isRenamed = ({ kind }: Change): boolean => kind === 'renamed'
  const ordered = [...step.filter(isRenamed), ...step.filter(change => !isRenamed(change))]
  const pairs = ordered.map(change => [taken(change.from ?? change.path), change] as const)
  return pairs.flatMap(([before, change]) => (before === undefined ? change : (joined(before, change) ?? [])))
}

/** Undefined when nothing is left of two changes of the same thing. */
function joined(before: Change, after: Change): Change | undefined {
  const { path } = after
  if (after.kind === 'deleted') return deletedAfter(before, after)
  if (before.kind === 'deleted') return { ...after, kind: 'modified', ...sizeOf('sizeBefore', before.sizeBefore), replaced: true }
  const sizes = { ...sizeOf('sizeBefore', before.sizeBefore), ...sizeOf('sizeAfter', after.sizeAfter ?? before.sizeAfter) }
  const modes = { ...modeOf('modeBefore', before.modeBefore ?? after.modeBefore), ...modeOf('modeAfter', after.modeAfter ?? before.modeAfter) }
  if (before.kind === 'created') return { kind: 'created', path, type: after.type, ...sizeOf('sizeAfter', after.sizeAfter ?? before.sizeAfter) }
  const parts = new Set<Also[number]>([...partsOf(before), ...partsOf(after)])
  const origin = before.kind === 'renamed' ? before.from : after.kind === 'renamed' ? after.from : undefined
  if (origin !== undefined && origin !== path) return { kind: 'renamed', path, from: origin, type: after.type, ...sizes, ...modes, ...alsoOf([...parts]) }
  const [kind, ...others] = order.filter(part => parts.has(part))
  // Renamed, and back again.
  return kind === undefined ? undefined : { kind, path, type: after.type, ...sizes, ...modes, ...alsoOf(others) }
}

function deletedAfter(before: Change, after: Change): Change | undefined {
  if (before.kind === 'created') return undefined
  const path = before.kind === 'renamed' ? (before.from ?? before.path) : before.path
  return { kind: 'deleted', path, type: after.type, ...sizeOf('sizeBefore', before.sizeBefore ?? after.sizeBefore) }
}

const order: Also = ['modified', 'mode', 'xattr']

function partsOf({ kind, also = [] }: Change): Also {
  return kind === 'modified' || kind === 'mode' || kind === 'xattr' ? [kind, ...also] : also
}

function alsoOf(also: Also): { also?: Also } {
  return also.length === 0 ? {} : { also }
}

function sizeOf(name: 'sizeBefore' | 'sizeAfter', size: number | undefined): { [name: string]: number } {
  return size === undefined ? {} : { [name]: size }
}

function modeOf(name: 'modeBefore' | 'modeAfter', mode: number | undefined): { [name: string]: number } {
  return mode === undefined ? {} : { [name]: mode }
}
