import { formatAddress } from '../sdk/address.js'
import type { Change } from '../volume/api.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { printable } from './format.js'
import type { Run } from './spec.js'

const letters: Readonly<Record<Change['kind'], string>> = { created: 'A', modified: 'M', deleted: 'D', renamed: 'R', mode: 'T', xattr: 'X' }

/** Exits 0 when nothing differs, 1 when something does, 2 on trouble, as diff(1). */
export const run: Run = async (context, [first, second], options) => {
  try {
    const a = await context.volumeRef(first)
    const b = second === undefined ? { volume: a.volume } : await context.volumeRef(second)
    if (formatAddress(a) === formatAddress(b)) throw usageError(`${formatAddress(a)} is compared with itself.`, 'Write `cairn diff A@REF` or `cairn diff A B`.')
    const cairn = await context.cairn()
    const changes = await context.helped(() => cairn.diff(a, b))
    await context.result({ a: formatAddress(a), b: formatAddress(b), changes }, () =>
      changes.map(change => line(change, options['nameOnly'] === true, context)),
    )
    return changes.length === 0 ? 0 : 1
  } catch (error) {
    await context.failure(error)
    return 2
  }
}

function line(change: Change, nameOnly: boolean, context: Context): string {
  const path = printable(change.path)
  if (nameOnly) return path
  const letter = letters[change.kind]
  const text = change.from === undefined ? `${letter} ${path}` : `${letter} ${printable(change.from)} -> ${path}`
  const slash = change.type === 'directory' && !path.endsWith('/') ? '/' : ''
  const colour = change.kind === 'created' ? context.out.green(text) : change.kind === 'deleted' ? context.out.red(text) : context.out.yellow(text)
  return `${colour}${slash}${sizes(change)}`
}

function sizes({ kind, sizeBefore, sizeAfter }: Change): string {
  if (kind === 'modified' && sizeBefore !== undefined && sizeAfter !== undefined) return `  (${sizeBefore} -> ${sizeAfter} bytes)`
  return ''
}
