import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { afterAll } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A program of `test/programs` with all that it imports of `dist` in one file, for as long as this file of tests runs: it starts in half the time, which counts where it is
 * started a hundred times. It stands two folders deep in the checkout, where it finds packages and `dist` as its parts did.
 */
export async function bundledProgram(name: string): Promise<string> {
  const folder = mkdtempSync(join(root, 'node_modules', '.cairn-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const build = await rolldown({ input: join(root, 'test/programs', `${name}.mjs`), platform: 'node', external: ['koffi'], logLevel: 'silent' })
  await build.write({ dir: folder, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
  await build.close()
  return join(folder, `${name}.mjs`)
}
