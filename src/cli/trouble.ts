import { CairnError } from '../errors.js'
import { about, hasCode, tell } from './errors.js'

const TROUBLE = 2

/** Runs a command whose exit code 1 means that it found nothing, as grep's: what goes wrong ends with 2, and says which address it is about. */
export async function orTrouble<T>(address: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CairnError) && !hasCode(error, 'ENOENT', 'ENOTDIR', 'EIO')) throw error
    const named = about(error, (address ?? '').replace(/:\/.*$/s, ':'), '/')
    const { code, message, remedy, exitCode } = tell(named)
    if (exitCode === TROUBLE) throw named
    throw new CairnError(code, message, remedy, { exitCode: TROUBLE, cause: error })
  }
}
