import { CairnError } from '../errors.js'

/** A batch of which nothing was applied, because of one of its operations. */
export class BatchError extends CairnError {
  /** Which operation, counted from 1. */
  readonly line: number

  constructor(line: number, op: string | undefined, cause: unknown) {
    const { code = 'ERR_BATCH', message } = cause as { code?: string; message: string }
    const what = message.replace(/\.$/, '')
    const remedy = cause instanceof CairnError ? cause.remedy : 'Correct that line and send all of it again.'
    super(code, `Line ${line}${op === undefined ? '' : ` (${op})`}: ${what}. Nothing was applied.`, remedy, { cause })
    this.line = line
  }
}
