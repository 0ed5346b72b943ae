/** What may be mounted where. Paths are absolute. Only the main thread asks, never the engine's. */
import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { CairnError } from '../errors.js'
import { makeFolders } from '../sys/index.js'

function isInside(path: string, folder: string): boolean {
  const rest = relative(folder, path)
  return rest === '' || (!rest.startsWith('../') && rest !== '..')
}

/** The path with every symlink resolved, also when its last parts do not exist yet. */
export async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' || dirname(path) === path) {
      // A mount whose server died cannot be resolved through; its own parents can.
      if (code === 'ENOTCONN' || code === 'ECONNABORTED') return join(await canonical(dirname(path)), path.slice(dirname(path).length).replace(/^\//, ''))
      throw unusable(path, error)
    }
    return join(await canonical(dirname(path)), path.slice(path.lastIndexOf('/') + 1))
  }
}

function unusable(path: string, cause: unknown): CairnError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new CairnError('ERR_MOUNT_PATH', `${path} is not a directory.`, 'Name an empty directory, or one that does not exist yet.', { cause })
  return new CairnError('ERR_MOUNT_PATH', `The directory ${path} cannot be used (${code}).`, 'Choose a directory that you may write to.', { cause })
}

/** Refuses places that can never work. @throws CairnError ERR_MOUNT_PATH */
export function checkPlace(path: string, home: string, mounts: ReadonlyArray<{ path: string }>): void {
  if (isInside(path, home)) {
    throw new CairnError('ERR_MOUNT_PATH', `${path} lies in ${home}, where the volumes themselves are kept.`, 'Mount it elsewhere.')
  }
  if (isInside(home, path)) {
    throw new CairnError('ERR_MOUNT_PATH', `${path} holds ${home}, where the volumes themselves are kept.`, 'Mount it elsewhere.')
  }
  const around = mounts.find(mount => mount.path !== path && isInside(path, mount.path))
  if (around !== undefined) {
    throw new CairnError('ERR_MOUNT_PATH', `${path} lies inside the mounted volume at ${around.path}.`, 'Mount it outside of any mounted volume.')
  }
}

/** Makes the directory, or checks that it is there and empty. @throws CairnError ERR_MOUNT_PATH, ERR_MOUNT_NOT_EMPTY */
export async function prepareDirectory(path: string): Promise<void> {
  try {
    makeFolders(path, 0o777)
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' })
  } catch (error) {
    throw unusable(path, error)
  }
  let names: string[]
  try {
    names = await readdir(path)
  } catch (error) {
    throw unusable(path, error)
  }
  if (names.length > 0) {
    throw new CairnError('ERR_MOUNT_NOT_EMPTY', `The directory ${path} is not empty.`, 'Mount on an empty directory, or one that does not exist yet.')
  }
}
