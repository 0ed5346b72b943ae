import assert from 'node:assert/strict'
import type { VolumeFs } from '../node/fs.js'

/** What a case of the filesystem suite works on: native node:fs, a volume in process, or a mount through node:fs. */
export interface FsContext {
  fs: Omit<VolumeFs, 'backend'>
  /** `fs.promises`, which nearly all cases use. */
  p: VolumeFs['promises']
  /** An empty directory of its own for each case; absolute. */
  root: string
  /** Runs without permission checks: may chown and make devices. */
  isRoot: boolean
}

export interface FsCase {
  name: string
  run(t: FsContext): Promise<void> | void
}

export interface Failure {
  code: string
  syscall?: string
  path?: string
  dest?: string
}

/** Asserts that something fails as node:fs words it: every field that `expected` names, and `errno` to match. */
export async function fails(work: Promise<unknown> | (() => unknown), expected: Failure): Promise<void> {
  let result: unknown
  try {
    result = await (typeof work === 'function' ? work() : work)
  } catch (error) {
    const e = error as NodeJS.ErrnoException & { dest?: string }
    assert.ok(e instanceof Error)
    const seen: Record<string, unknown> = { code: e.code, syscall: e.syscall, path: e.path, dest: e.dest }
    for (const [key, value] of Object.entries(expected)) assert.equal(seen[key], value, `${key} of «${e.message}»`)
    if (expected.syscall !== undefined && !expected.code.startsWith('ERR_')) checkWords(e)
    return
  }
  assert.fail(`it should fail with ${expected.code}, but gave ${String(result)}`)
}

/** `CODE: words, syscall 'path' -> 'dest'`, with the errno of the code. */
function checkWords(e: NodeJS.ErrnoException & { dest?: string }): void {
  assert.equal(typeof e.errno, 'number')
  assert.ok((e.errno ?? 0) < 0)
  const where = e.path === undefined ? '' : e.dest === undefined ? ` '${e.path}'` : ` '${e.path}' -> '${e.dest}'`
  assert.ok(e.message.startsWith(`${e.code}: `) && e.message.endsWith(`, ${e.syscall}${where}`), e.message)
}

export { assert }
