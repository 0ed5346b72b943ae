import { existsSync, statSync } from 'node:fs'
import { link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { crashPoint, systemRandom } from '../sys/index.js'
import type { Bundle } from './bundle.js'

export interface BackupOptions {
  /** As it was at this ref. */
  ref?: string
  /** Only what came after this commit. */
  since?: string
  /** Replace a file that is there. */
  force?: boolean
  onProgress?: (done: { files: number; bytes: number }) => void
}

/** See `Cairn.backup`. */
export async function backup(make: () => Promise<Bundle>, target: string, options: BackupOptions): Promise<{ file: string; bytes: number; files: number }> {
  const file = resolve(target)
  checkTarget(file, options.force === true)
  const bundle = await make()
  const temporary = join(dirname(file), `.${basename(file).slice(0, 100)}.${process.pid}-${systemRandom.bytes(4).toString('hex')}.part`)
  try {
    await write(temporary, bundle, options)
    crashPoint('backup.before-rename')
    await give(temporary, file, options.force === true)
    await syncFolder(dirname(file))
    return { file, bytes: bundle.bytes, files: bundle.files }
  } finally {
    await rm(temporary, { force: true })
    bundle.close()
  }
}

function checkTarget(file: string, force: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new CairnError('ERR_FILE_EXISTS', `${file} is a directory.`, 'Name a file.')
  if (found !== undefined && !force) throw taken(file)
  if (!existsSync(dirname(file))) throw new CairnError('ENOENT', `The folder ${dirname(file)} does not exist.`, 'Make it first.')
}

function taken(file: string): CairnError {
  return new CairnError('ERR_FILE_EXISTS', `${file} exists already.`, 'Name another file, or replace it with --force.')
}

async function write(path: string, bundle: Bundle, options: BackupOptions): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    for await (const frame of bundle) {
      await handle.writeFile(frame)
      options.onProgress?.(bundle)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Gives the file its name. Without `force` by link(2), which never replaces one that came meanwhile. */
async function give(temporary: string, file: string, force: boolean): Promise<void> {
  if (force) return rename(temporary, file)
  try {
    await link(temporary, file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw taken(file)
    if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    // A file system without links.
    if (existsSync(file)) throw taken(file)
    await rename(temporary, file)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
