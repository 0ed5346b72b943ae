import type { FoundChange } from '../history/diff/diff-read.js'
import type { DiffReader } from '../sdk/diff.js'
import { printable } from './format.js'

/** What a patch could not say. */
export interface Unsaid {
  tooLarge: string[]
  other: number
}

const nothing = Buffer.alloc(0)

/** The patch of one change; what it cannot say is noted in `unsaid`. Directories come with what is in them. */
export async function patchChange(reader: DiffReader, change: FoundChange, unsaid: Unsaid): Promise<Buffer> {
  const file = await reader.patchOf(change)
  if (file === undefined) {
    if (change.type === 'other' || change.kind === 'mode' || change.kind === 'xattr') unsaid.other++
    return nothing
  }
  if (file.tooLarge === true) unsaid.tooLarge.push(printable(change.path))
  if (file.patch.length === 0) unsaid.other++
  return file.patch
}
