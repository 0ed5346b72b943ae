import type { FindOptions, Found, FoundType } from '../sdk/types.js'
import { parseTime } from '../volume/refs.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { printable } from './format.js'
import type { Run } from './spec.js'

type Asked = { -readonly [K in keyof FindOptions]: FindOptions[K] } & { newer?: string; at?: string }

const types = new Map<string, FoundType>([
  ['f', 'file'],
  ['d', 'directory'],
  ['l', 'symlink'],
  ['p', 'fifo'],
  ['s', 'socket'],
  ['b', 'block'],
  ['c', 'character'],
])
/** As find(1) writes them; without a letter it counts blocks of 512 bytes there, and bytes here. */
const units = new Map([
  ['', 1],
  ['c', 1],
  ['k', 1024],
  ['M', 1024 ** 2],
  ['G', 1024 ** 3],
  ['T', 1024 ** 4],
])

/** Those that take a value. */
const tests: ReadonlySet<string> = new Set(['name', 'iname', 'path', 'ipath', 'type', 'size', 'newer', 'maxdepth', 'mindepth', 'tag', 'at'])

/** Tests are written as find(1) writes them, which no parser of options takes. */
export const run: Run = async (context, [target, ...tests]) => {
  const asked = parseTests(tests)
  const { volume: name, ref, path } = await context.side(target)
  const volume = await context.volume(name, asked.at ?? ref)
  const { newer, at: _at, ...options } = asked
  const found: Found[] = []
  const since = newer === undefined ? {} : { newerMs: await newerThan(context, name, asked.at ?? ref, newer) }
  for await (const one of volume.find({ ...options, ...since, ...(path === undefined ? {} : { path }) })) {
    if (context.json) found.push(one)
    else await context.out.lines([printable(one.path)])
  }
  if (context.json) await context.result(found, () => [])
  return 0
}

/** A time, or a file of the volume that was changed last then. */
async function newerThan(context: Context, name: string, ref: string | undefined, text: string): Promise<number> {
  if (text.startsWith('/')) return Number((await (await context.volume(name, ref)).fs.promises.stat(text)).mtimeMs)
  const time = parseTime(text, Date.now())
  if (time === undefined) throw usageError(`${text} is no time.`, 'Write -2h, 2026-11-20, 2026-11-20T10:00, or the path of a file of the volume.')
  return time
}

function parseTests(words: readonly string[]): Asked {
  const asked: Asked = {}
  for (let at = 0; at < words.length; at++) {
    const word = words[at].replace(/^--?/, '')
    if (!words[at].startsWith('-')) throw usageError(`${words[at]} is a second place to look in.`, "Name one, then tests: `cairn find work:/src -name '*.ts'`.")
    if (word === 'empty' || word === 'gitignore') {
      asked[word] = true
      continue
    }
    if (!tests.has(word)) throw usageError(`cairn find knows no test -${word}.`, 'Run `cairn find --help` to see those it knows.')
    const value = words[++at]
    if (value === undefined) throw usageError(`${words[at - 1]} needs a value.`, 'Run `cairn find --help` to see the tests.')
    takeTest(asked, word, value)
  }
  return asked
}

function takeTest(asked: Asked, word: string, value: string): void {
  switch (word) {
    case 'iname':
    case 'ipath':
      asked.ignoreCase = true
      takeTest(asked, word.slice(1), value)
      break
    case 'name':
      asked.names = [...(asked.names ?? []), value]
      break
    case 'path':
      asked.paths = [...(asked.paths ?? []), value]
      break
    case 'type':
      asked.types = value.split(',').map(letter => typeOf(letter))
      break
    case 'size':
      Object.assign(asked, sizeOf(value))
      break
    case 'newer':
      asked.newer = value
      break
    case 'maxdepth':
      asked.maxDepth = depthOf(value)
      break
    case 'mindepth':
      asked.minDepth = depthOf(value)
      break
    case 'tag':
      asked.tags = [...(asked.tags ?? []), value]
      break
    case 'at':
      asked.at = value
      break
  }
}

function typeOf(letter: string): FoundType {
  const type = types.get(letter)
  if (type === undefined) throw usageError(`'${letter}' is no type.`, 'Write f (file), d (directory), l (symbolic link), p, s, b or c.')
  return type
}

function depthOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`'${text}' is no depth.`, 'Write a whole number; what is named has the depth 0.')
  return Number(text)
}

/** `+1M` more than that, `-10k` less, `5` just so many: in units that are begun, as find(1) counts them. */
function sizeOf(text: string): Pick<FindOptions, 'minSize' | 'maxSize'> {
  const [, sign, number, letter] = /^([+-]?)(\d{1,15})([ckMGT]?)$/.exec(text) ?? []
  const unit = units.get(letter ?? 'none')
  if (unit === undefined) throw usageError(`'${text}' is no size.`, 'Write +1M (more), -10k (less) or 512c (just so many).')
  const count = Number(number)
  if (sign === '+') return { minSize: count * unit + 1 }
  return sign === '-' ? { maxSize: Math.max((count - 1) * unit, -1) } : { minSize: (count - 1) * unit + 1, maxSize: count * unit }
}
