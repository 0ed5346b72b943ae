import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

/** The layers from top to bottom, each with the folders that share it, as the table in ARCHITECTURE.md lists them. */
function layersOf(architecture: string): string[][] {
  const section = architecture.split(/^## /m).find(part => part.startsWith('Layers'))
  if (section === undefined) throw new Error('ARCHITECTURE.md has no section "Layers"')
  return section
    .split('\n')
    .filter(line => line.startsWith('| `'))
    .map(line => [...line.split('|')[1].matchAll(/`([a-z]+)\/`/g)].map(match => match[1]))
}

const layers = layersOf(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))
const depth = new Map(layers.flatMap((folders, at) => folders.map(folder => [folder, at] as const)))

/** Folders that may not see each other although one is below: a page source stands between them. */
const forbidden = new Map([['tree', new Set(['store'])]])

/** Why `from` may not import `to` (both as paths below src/); undefined when it may. */
function objection(from: string, to: string): string | undefined {
  const [a, b] = [room(from), room(to)]
  if (to.endsWith('.test.js') || to.endsWith('.test.ts')) return 'tests are imported by nothing'
  if (a === b || b === 'errors' || a === 'testing') return undefined
  if (a === 'errors') return 'errors.ts is below everything'
  if (b === 'index') return 'index.ts only re-exports'
  if (a === 'index') return undefined
  if (b === 'testing') return 'testing/ is above everything'
  const [above, below] = [depth.get(a), depth.get(b)]
  if (above === undefined || below === undefined) return `${above === undefined ? a : b}/ is not in the list of layers in ARCHITECTURE.md`
  if (above === below) return `${a}/ and ${b}/ share a layer`
  if (above > below) return `${b}/ is above ${a}/`
  return forbidden.get(a)?.has(b) ? `${a}/ never sees a ${b}` : undefined
}

function room(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.[jt]s$/, '')
}

/** Every relative module that a source names: static, dynamic and type imports, re-exports, and files started as workers. */
function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found = [...code.matchAll(/\b(?:from|import|require)\s*\(?\s*['"](\.[^'"]*)['"]/g), ...code.matchAll(/new URL\(\s*['"](\.[^'"]*\.js)['"]/g)]
  return found.map(match => match[1])
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map(entry => relative(src, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

function violations(): string[] {
  const found: string[] = []
  for (const file of sources(src)) {
    for (const name of importsOf(readFileSync(join(src, file), 'utf8'))) {
      const target = join(dirname(file), name).split(sep).join('/')
      if (target.startsWith('..')) continue
      const why = objection(file, target)
      if (why !== undefined) found.push(`${file} may not import ${target} because ${why}`)
    }
  }
  return found
}

describe('layers', () => {
  test('imports go down only', () => {
    expect(violations()).toEqual([])
  })

  test('every folder of src/ is in the list', () => {
    const folders = readdirSync(src, { withFileTypes: true }).filter(entry => entry.isDirectory() && entry.name !== 'testing')
    expect(folders.map(entry => entry.name).filter(name => !depth.has(name))).toEqual([])
  })

  test('index.ts only re-exports', () => {
    const code = readFileSync(join(src, 'index.ts'), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    const rest = code.replace(/export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*['"][^'"]+['"];?/g, '').trim()
    expect(rest).toBe('')
  })

  test('time and randomness come from sys/ up to the layer of node/', () => {
    const engine = new Set(['node', 'fs', 'volume', 'tree', 'journal', 'store', 'codec'])
    const global = /\b(?:Date\.now|Math\.random|performance\.now|randomBytes|randomUUID)\(|\bnew Date\(\)/
    const found = sources(src).filter(file => engine.has(room(file)) && global.test(readFileSync(join(src, file), 'utf8')))
    expect(found).toEqual([])
  })
})

describe('the check itself', () => {
  test('reads the list from top to bottom', () => {
    expect(layers[0]).toEqual(['cli'])
    expect(depth.get('fuse')).toBe(depth.get('http'))
    expect(depth.get('sdk')).toBeLessThan(depth.get('server') ?? -1)
  })

  test.each([
    ['tree/page.ts', 'fs/lookup.js', 'fs/ is above tree/'],
    ['tree/page.ts', 'journal/record.js', 'tree/ and journal/ share a layer'],
    ['tree/page.ts', 'store/pack.js', 'tree/ never sees a store'],
    ['server/main.ts', 'sdk/cairn.js', 'sdk/ is above server/'],
    ['errors.ts', 'sys/limits.js', 'errors.ts is below everything'],
    ['fs/open.ts', 'index.js', 'index.ts only re-exports'],
    ['fs/open.ts', 'testing/model.js', 'testing/ is above everything'],
    ['fs/open.ts', 'elsewhere/x.js', 'elsewhere/ is not in the list of layers in ARCHITECTURE.md'],
    ['fs/open.ts', 'fs/open.test.js', 'tests are imported by nothing'],
  ])('%s may not import %s', (from, to, why) => {
    expect(objection(from, to)).toBe(why)
  })

  test.each([
    ['cli/ls.ts', 'codec/keys.js'],
    ['tree/page.ts', 'tree/cursor.js'],
    ['fs/open.ts', 'errors.js'],
    ['testing/model.ts', 'fs/open.js'],
    ['index.ts', 'sdk/cairn.js'],
  ])('%s may import %s', (from, to) => {
    expect(objection(from, to)).toBeUndefined()
  })

  test('sees every form of import', () => {
    const source = `import { a } from './a.js'\nimport type { B } from "../b.js"\nimport './c.js'\nexport * from './d.js'\nconst e = await import('./e.js')
type F = import('./f.js').F\nnew Worker(new URL('./g.js', import.meta.url))\n// import './no.js'\n/* from './no.js' */\nimport fs from 'node:fs'\nimport {\n  h,\n} from './h.js'`
    expect(importsOf(source).sort()).toEqual(['../b.js', './a.js', './c.js', './d.js', './e.js', './f.js', './g.js', './h.js'])
  })
})
