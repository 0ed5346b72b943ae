import { pathToFileURL } from 'node:url'
import { assert, type FsCase, type FsContext, fails } from './fs-case.js'

async function plant({ p, root }: FsContext): Promise<void> {
  for (const dir of ['a/b/c', 'a/.hid/x', '.dot', 'e', 'src/lib']) await p.mkdir(`${root}/${dir}`, { recursive: true })
  const files = ['1.js', 'a/2.js', 'a/b/3.ts', 'a/b/c/4.js', 'a/.hid/x/5.js', '.dot/6.js', '.rc.js', 'src/x.js', 'src/lib/y.js', 'e/[z].js', 'ä.js']
  for (const file of files) await p.writeFile(`${root}/${file}`, '')
  await p.symlink('1.js', `${root}/ln.js`)
  await p.symlink('../a', `${root}/e/link`)
}

/** Node has them since 22: what an older one lacks cannot be compared. */
function globCase(name: string, run: (t: FsContext, find: (pattern: string | string[], options?: object) => string[]) => Promise<void> | void): FsCase {
  return {
    name,
    async run(t) {
      if (typeof t.fs.globSync !== 'function') return
      await plant(t)
      await run(t, (pattern, options) => t.fs.globSync(pattern, { cwd: t.root, ...options }).sort())
    },
  }
}

const patterns: ReadonlyArray<[pattern: string, matches: string]> = [
  ['*', '1.js a e ln.js src ä.js'],
  ['**', '. 1.js a a/2.js a/b a/b/3.ts a/b/c a/b/c/4.js e e/[z].js e/link ln.js src src/lib src/lib/y.js src/x.js ä.js'],
  ['**/*.js', '1.js a/2.js a/b/c/4.js e/[z].js ln.js src/lib/y.js src/x.js ä.js'],
  ['a/**', 'a a/2.js a/b a/b/3.ts a/b/c a/b/c/4.js'],
  ['a/**/', 'a a/b a/b/c'],
  ['**/', '. a a/b a/b/c e src src/lib'],
  ['*/', 'a e src'],
  ['a/', 'a'],
  ['1.js/', ''],
  ['1.js/*', ''],
  ['e/link/', 'e/link'],
  ['e/link/*', 'e/link/2.js e/link/b'],
  ['e/*/2.js', ''],
  ['./*.js', '1.js ln.js ä.js'],
  ['a//b', 'a/b'],
  ['a/./b', 'a/b'],
  ['a/b/../2.js', 'a/2.js'],
  ['nope/../1.js', '1.js'],
  ['a/*/..', 'a'],
  ['nope', ''],
  ['', ''],
  ['.', ''],
  ['.*', '.dot .rc.js'],
  ['.*/**', '.dot .dot/6.js'],
  ['a/.hid/**', 'a/.hid a/.hid/x a/.hid/x/5.js'],
  ['{1,ln}.js', '1.js ln.js'],
  ['a/{b/**,2.js}', 'a/2.js a/b a/b/3.ts a/b/c a/b/c/4.js'],
  ['src/{x,lib/y}.js', 'src/lib/y.js src/x.js'],
  ['{1..3}.js', '1.js'],
  ['?.js', '1.js ä.js'],
  ['[0-9].js', '1.js'],
  ['+(a|e)', 'a e'],
  ['!(1).js', 'ln.js ä.js'],
  ['!a', ''],
  ['@(src|a)/**/*.js', 'a/2.js a/b/c/4.js src/lib/y.js src/x.js'],
  ['**/b/**', 'a/b a/b/3.ts a/b/c a/b/c/4.js'],
  ['**/**/3.ts', 'a/b/3.ts'],
]

const finds = globCase('glob: names, **, braces, classes, hidden and linked directories', (_, find) => {
  for (const [pattern, matches] of patterns) assert.deepEqual(find(pattern), matches === '' ? [] : matches.split(' '), pattern)
  assert.deepEqual(find(['*.js', '1.js', 'a/*.js']), ['1.js', 'a/2.js', 'ln.js', 'ä.js'])
})

const places = globCase('glob: absolute patterns, cwd as a path and as a URL, one that is not there', ({ fs, root }, find) => {
  assert.deepEqual(find(`${root}/src/*`), [`${root}/src/lib`, `${root}/src/x.js`])
  assert.deepEqual(find('*', { cwd: `${root}/a` }), ['2.js', 'b'])
  assert.deepEqual(find('../s*/*.js', { cwd: `${root}/a` }), ['../src/x.js'])
  assert.deepEqual(fs.globSync('*.js', { cwd: pathToFileURL(`${root}/src`) }), ['x.js'])
  assert.deepEqual(find('**', { cwd: `${root}/no` }), [])
})

const excludes = globCase('glob: exclude by a function and by globs, also what is below', (_, find) => {
  assert.deepEqual(find('**', { exclude: (name: string) => name === 'b' || name === 'src' }), [
    '.',
    '1.js',
    'a',
    'a/2.js',
    'e',
    'e/[z].js',
    'e/link',
    'ln.js',
    'ä.js',
  ])
  assert.deepEqual(find('**/*.js', { exclude: ['a/**', 'e'] }), ['1.js', 'ln.js', 'src/lib/y.js', 'src/x.js', 'ä.js'])
  assert.deepEqual(find('**/*.js', { exclude: ['*.js', '**/b/**'] }), ['a/2.js', 'e/[z].js', 'src/lib/y.js', 'src/x.js'])
})

const typed = globCase('glob: entries with kinds', ({ fs, root }) => {
  const shown = fs.globSync('{*,a/*}', { cwd: root, withFileTypes: true }).map(entry => {
    const kind = entry.isDirectory() ? '/' : entry.isSymbolicLink() ? '@' : entry.isFile() ? '' : '?'
    return `${entry.parentPath.slice(root.length)} ${entry.name}${kind}`
  })
  assert.deepEqual(shown.sort(), [' 1.js', ' a/', ' e/', ' ln.js@', ' src/', ' ä.js', '/a 2.js', '/a b/'])
})

const forms = globCase('glob: as an async iterator and with a callback', async ({ fs, p, root }) => {
  const found: string[] = []
  for await (const path of p.glob('a/*', { cwd: root })) found.push(path)
  assert.deepEqual(found.sort(), ['a/2.js', 'a/b'])
  const first = p.glob('**', { cwd: root })
  assert.equal((await first.next()).done, false)
  assert.deepEqual(await first.return(undefined), { value: undefined, done: true })
  const called = await new Promise((resolve, reject) =>
    fs.glob('src/*.js', { cwd: root }, (error, matches) => (error === null ? resolve(matches) : reject(error))),
  )
  assert.deepEqual(called, ['src/x.js'])
})

const wrong = globCase('glob: wrong arguments', async ({ fs, p }) => {
  const code = 'ERR_INVALID_ARG_TYPE'
  for (const pattern of [1, null, {}, [1], undefined]) await fails(() => fs.globSync(pattern as never), { code })
  for (const options of [5, 'x', null, { cwd: 1 }, { exclude: 1 }, { exclude: 'a' }, { exclude: [1] }])
    await fails(() => fs.globSync('nope', options as never), { code })
  await fails(() => fs.glob('*', undefined as never), { code })
  await fails(p.glob(1 as never).next(), { code })
})

export const globCases: readonly FsCase[] = [finds, places, excludes, typed, forms, wrong]
