import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it that are missing; returns the topmost that was made, undefined when all were there.
 * Node's own `recursive` tries for ever where a file system answers ENOENT for a folder that cannot be made, as /proc does.
 * @throws a Node error; what was made before it stays
 */
export function makeFolders(path: string, mode = 0o700): string | undefined {
  const missing: string[] = []
  let folder = resolve(path)
  let found = statSync(folder, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) return undefined
  for (; found === undefined; found = statSync(folder, { throwIfNoEntry: false })) {
    missing.push(folder)
    folder = dirname(folder)
  }
  for (const next of missing.toReversed()) makeOne(next, mode)
  if (missing.length === 0) mustBeFolder(folder)
  return missing.at(-1)
}

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    mustBeFolder(path)
  }
}

/** Another process may have made it meanwhile; a file in its place is an error. */
function mustBeFolder(path: string): void {
  if (!statSync(path).isDirectory())
    throw Object.assign(new Error(`EEXIST: file already exists, mkdir '${path}'`), { code: 'EEXIST', errno: -17, syscall: 'mkdir', path })
}
