import { joinPath } from './paths.js'
import type { Files } from './places.js'

/** Calls `visit` for `path` and everything below it, directories before what is in them; symlinks are not followed. */
export async function walk(files: Files, path: string, visit: (path: string, isDirectory: boolean, isLink: boolean) => Promise<void>): Promise<void> {
  const stat = await files.lstat(path)
  await visit(path, stat.isDirectory(), stat.isSymbolicLink())
  if (stat.isDirectory()) await below(files, path, visit)
}

async function below(files: Files, path: string, visit: (path: string, isDirectory: boolean, isLink: boolean) => Promise<void>): Promise<void> {
  for (const entry of await files.readdir(path, { withFileTypes: true })) {
    const child = joinPath(path, entry.name)
    await visit(child, entry.isDirectory(), entry.isSymbolicLink())
    if (entry.isDirectory()) await below(files, child, visit)
  }
}
