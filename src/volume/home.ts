import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import { makeFolder } from '../store/sync-folder.js'

/** Version of the layout of CAIRN_HOME. */
const HOME_FORMAT = 1

/** Makes the folder if needed and checks that this version can use it. @throws CairnError */
export function openHome(home: string): void {
  try {
    makeFolder(home)
    const path = join(home, 'home.json')
    const found = readIfThere(path)
    if (found === undefined) {
      writeFileSync(path, `${JSON.stringify({ format: HOME_FORMAT })}\n`, { mode: 0o600, flag: 'wx' })
      return
    }
    checkFormat(home, found)
  } catch (error) {
    if (error instanceof CairnError || (error as NodeJS.ErrnoException).code === 'EEXIST') {
      if (error instanceof CairnError) throw error
      if (readIfThere(join(home, 'home.json')) !== undefined) return
    }
    throw unusable(home, error as NodeJS.ErrnoException)
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function checkFormat(home: string, text: string): void {
  let format: unknown
  try {
    format = (JSON.parse(text) as { format?: unknown }).format
  } catch {
    // An empty or cut file: a crash in the middle of the first start; nothing else can be in it.
    return
  }
  if (typeof format === 'number' && format > HOME_FORMAT) {
    throw new CairnError(
      'ERR_HOME_FORMAT',
      `${home} was made by a newer version of Cairn (format ${format}, this one knows ${HOME_FORMAT}).`,
      'Update Cairn (`npm install -g cairnfs@latest`), or use another CAIRN_HOME.',
    )
  }
}

function unusable(home: string, error: NodeJS.ErrnoException): CairnError {
  const why: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'its file system is read-only',
    ENOSPC: 'its disk is full',
    ENOTDIR: 'a part of the path is no directory',
    EEXIST: 'it is a file',
  }
  const reason = why[error.code ?? ''] ?? error.message
  return new CairnError(
    'ERR_HOME',
    `CAIRN_HOME ${home} cannot be used: ${reason}.`,
    error.code === 'ENOSPC' ? 'Make room on that disk, or set CAIRN_HOME to another folder.' : 'Set CAIRN_HOME to a folder that you may write to.',
    { cause: error },
  )
}
