import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts') && !path.startsWith('testing/'))
const names = new Set(sources.flatMap(path => [...readFileSync(join(root, 'src', path), 'utf8').matchAll(/\bentry\('([a-z/-]+)'\)/g)].map(([, name]) => name)))

it('every process and thread of its own has a bundled file to start from', () => {
  expect(names.size).toBeGreaterThan(8)
  for (const name of names) expect(existsSync(join(root, 'dist/bundle', `${name.replaceAll('/', '-')}.js`)), name).toBe(true)
})
