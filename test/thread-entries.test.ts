import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
  path => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.startsWith('testing/'),
)
const textOf = (path: string): string => readFileSync(join(root, 'src', path), 'utf8')
const named = (call: RegExp): string[] => [...new Set(sources.flatMap(path => [...textOf(path).matchAll(call)].map(([, name]) => name)))]
const threads = named(/\bstartThread\('([a-z/-]+)'/g)
const names = [...threads, ...named(/\bentry\('([a-z/-]+)'\)/g)]

it('every process and thread of its own has a bundled file to start from', () => {
  expect(names.length).toBeGreaterThan(8)
  for (const name of names) expect(existsSync(join(root, 'dist/bundle', `${name.replaceAll('/', '-')}.js`)), name).toBe(true)
})

it('every thread can be ended at any moment: it begins with what keeps it from ending in the middle of loading a library', () => {
  expect(threads.length).toBeGreaterThan(6)
  for (const name of threads) expect(textOf(`${name}.ts`), name).toMatch(/from '[./]+sys\/threads\.js'/)
  const others = sources.filter(path => path !== 'sys/threads.ts')
  expect(others.filter(path => /new Worker\(|orker\.terminate\(/.test(textOf(path)))).toEqual([])
})
