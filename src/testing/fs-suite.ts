import type { FsCase } from './fs-case.js'
import { argumentCases } from './fs-suite-arguments.js'
import { attributeCases } from './fs-suite-attributes.js'
import { fileCases } from './fs-suite-files.js'
import { formCases, syncCases } from './fs-suite-forms.js'
import { globCases } from './fs-suite-glob.js'
import { linkCases } from './fs-suite-links.js'
import { nameCases } from './fs-suite-names.js'
import { streamCases } from './fs-suite-streams.js'
import { treeCases } from './fs-suite-trees.js'

export type { FsCase, FsContext } from './fs-case.js'
export { syncCases } from './fs-suite-forms.js'

/**
 * The behaviour of a filesystem as seen through node:fs. Native node:fs over a local disk passes every case: it is the oracle.
 * Each case is run in an empty directory of its own.
 */
export const fsSuite: ReadonlyArray<{ group: string; cases: readonly FsCase[] }> = [
  { group: 'names', cases: nameCases },
  { group: 'links', cases: linkCases },
  { group: 'files', cases: fileCases },
  { group: 'attributes', cases: attributeCases },
  { group: 'trees', cases: treeCases },
  { group: 'glob', cases: globCases },
  { group: 'arguments', cases: argumentCases },
  { group: 'streams', cases: streamCases },
  { group: 'forms', cases: [...formCases, ...syncCases] },
]
