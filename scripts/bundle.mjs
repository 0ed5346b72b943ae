// Puts the compiled command line into one file, dist/bundle/cairn.cjs, which starts in a third of the time that its modules take, and what the package exports into
// a few: dist/bundle/index.js and its chunks; and what runs in processes and threads of its own.
// Then runs a few commands with it, so that `bin/cairn` keeps what V8 compiles for them beside it.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(root, 'dist/bundle/cairn.cjs')

/** Modules of Node that take a millisecond or more to load and that most commands never call. */
const seldom = [
  'node:child_process',
  'node:fs/promises',
  'node:http',
  'node:net',
  'node:readline',
  'node:readline/promises',
  'node:stream/web',
  'node:worker_threads',
  'node:zlib',
]

// Names stay, because they are in stack traces.
const minify = { mangle: false, compress: false, codegen: { removeWhitespace: true } }

async function bundle() {
  const build = await rolldown({ input: join(root, 'dist/cli/main.js'), platform: 'node', external: ['koffi'], logLevel: 'silent' })
  const { output } = await build.generate({ format: 'cjs', codeSplitting: false, minify })
  await build.close()
  if (output.length !== 1) throw new Error(`the bundle has ${output.length} files`)
  return output[0].code
}

/** What programs import. All of it at once: an error is of the same class in each. Chunks lie beside one another, where `entry` of src/sys finds what threads start from. */
async function library() {
  const input = { index: join(root, 'dist/index.js'), testing: join(root, 'dist/testing/index.js') }
  const build = await rolldown({ input, platform: 'node', external: ['koffi', /^vitest/], logLevel: 'silent' })
  await build.write({ dir: dirname(target), format: 'esm', minify, chunkFileNames: 'part-[name]-[hash].js' })
  await build.close()
}

/** What starts as a process or a thread of its own, by the name that `entry` of src/sys has for it. */
const entries = [
  ...['server/supervise', 'server/main', 'server/engine-thread', 'server/job-thread', 'fuse/sync-worker', 'fuse/notify-thread'],
  ...['store/remote/thread', 'search/search-thread', 'search/grep-thread', 'sdk/blocking-thread', 'exec/tree-thread'],
]

/** They run the code of a server, each a part of it. All lie in one folder, as deep as those of the library: paths from each of them are the same. */
async function threads() {
  const input = Object.fromEntries(entries.map(name => [name.replaceAll('/', '-'), join(root, `dist/${name}.js`)]))
  const build = await rolldown({ input, platform: 'node', external: ['koffi'], logLevel: 'silent' })
  await build.write({ dir: dirname(target), format: 'esm', minify, entryFileNames: '[name].js', chunkFileNames: 'thread-[name]-[hash].js' })
  await build.close()
}

/** `let node_http=require("node:http")` at the top goes, and each use becomes a property of an object that loads the module when it is first asked for it. */
function loadWhenUsed(code, module) {
  const name = module.replace(/\W/g, '_')
  const declared = `let ${name}=require("${module}");`
  if (!code.includes(declared)) return code
  const wrapped = `${name}=__toESM(${name},1);`
  const load = code.includes(wrapped) ? `__toESM(require("${module}"),1)` : `require("${module}")`
  const uses = code
    .replace(declared, '')
    .replace(wrapped, '')
    .replace(new RegExp(`(?<![\\w$.])${name}(?![\\w$])`, 'g'), `__seldom.${name}`)
  return uses.replace('let node_', () => `__seldomLoads("${name}",()=>${load});let node_`)
}

/** Commander, which is CommonJS, holds it for commands that are programs of their own. */
function spawnWhenUsed(code) {
  return code.replace(/const (\w+)=require\("node:child_process"\);/, 'const $1={spawn:(...args)=>require("node:child_process").spawn(...args)};')
}

const holder = 'const __seldom={},__seldomLoads=(name,load)=>{let loaded;Object.defineProperty(__seldom,name,{get:()=>loaded??=load()})};'

/** A script that comes from kept code may not import. */
function withoutImports(code) {
  const required = code.replace(/(?<![\w$.])import\(`(node:[a-z/_]+)`\)/g, (_, module) => `Promise.resolve(require("${module}"))`)
  if (/(?<![\w$.])import\(/.test(required)) throw new Error('the bundle has an import() that is not of a module of Node')
  return required
}

/** One byte for each character, which is read several times faster. Comments are gone, and in all that is left the escape means the same. */
function asAscii(code) {
  return code.replace(/[^\n -~\t\r]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function warm() {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-build-'))
  const env = { PATH: process.env.PATH, HOME: folder, CAIRN_HOME: join(folder, 'home') }
  const cairn = args => execFileSync(process.execPath, [join(root, 'bin/cairn'), ...args], { env, stdio: 'ignore' })
  try {
    cairn(['init', 'work'])
    cairn(['write', 'work:/file', 'text'])
    cairn(['ls', '-l', 'work:/'])
    cairn(['cat', 'work:/file'])
    cairn(['status'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

mkdirSync(dirname(target), { recursive: true })
writeFileSync(`${target}.new`, asAscii(holder + spawnWhenUsed(seldom.reduce(loadWhenUsed, withoutImports(await bundle())))))
renameSync(`${target}.new`, target)
await library()
await threads()
warm()
