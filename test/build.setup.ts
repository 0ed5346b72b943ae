import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Compiles `dist` before the tests, unless it is newer than every source: some tests start `bin/cairn`.
 * A type error fails the run in CI; elsewhere tsc's words are printed and the tests go on with what it emitted, so that
 * one can test a folder while another is being changed. CAIRN_TEST_SKIP_BUILD=1 leaves `dist` as it is.
 */
export default function build(): void {
  if (process.env['CAIRN_TEST_SKIP_BUILD'] === '1' || upToDate()) return
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, encoding: 'utf8' })
  if (result.status === 0) return
  const words = `dist does not compile:\n${result.stdout}${result.stderr}`
  if (process.env['CI'] !== undefined) throw new Error(words)
  process.stderr.write(words)
}

function upToDate(): boolean {
  const built = statSync(join(root, 'dist', 'index.js'), { throwIfNoEntry: false })
  return built !== undefined && newest(join(root, 'src')) < built.mtimeMs
}

function newest(folder: string): number {
  let latest = statSync(folder).mtimeMs
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs)
  }
  return latest
}
