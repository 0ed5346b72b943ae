import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { entry } from '../src/sys/entry.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts') && !path.startsWith('testing/'))
const names = new Set(sources.flatMap(path => [...readFileSync(join(root, 'src', path), 'utf8').matchAll(/\bentry\('([a-z/-]+)'\)/g)].map(([, name]) => name)))

it('every process and thread of its own starts from a bundled file', () => {
  expect(names.size).toBeGreaterThan(8)
  for (const name of names) expect(entry(name)).toBe(join(root, 'dist/bundle', `${name.replaceAll('/', '-')}.js`))
})
