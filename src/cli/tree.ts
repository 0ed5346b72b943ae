import type { Dirent } from 'node:fs'
import { usageError } from './errors.js'
import { plural, printable } from './format.js'
import { defaultOperand } from './operands.js'
import { byName, joinPath } from './paths.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'

interface Node {
  name: string
  type: 'directory' | 'file' | 'symlink' | 'other'
  target?: string
  contents?: Node[]
}

interface Counts {
  directories: number
  files: number
}

export const run: Run = async (context, [target = defaultOperand()], options) => {
  const depth = depthOf(options['level'])
  return context.each([target], {}, async place => {
    await place.files.readdir(place.path)
    const counts = { directories: 0, files: 0 }
    const contents = await read(place.files, place.path, depth, options['all'] === true, counts)
    const root: Node = { name: place.shown, type: 'directory', contents }
    await context.result({ ...root, ...counts }, () => [
      context.out.blue(`${place.prefix}${place.path}`),
      ...draw(contents, '', context.out.blue.bind(context.out)),
      '',
      `${counts.directories === 1 ? '1 directory' : `${counts.directories} directories`}, ${plural(counts.files, 'file')}`,
    ])
  })
}

function depthOf(text: string | boolean | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const depth = Number(text)
  if (Number.isInteger(depth) && depth > 0) return depth
  throw usageError(`The level ${JSON.stringify(text)} is not a whole number above 0.`, 'Write `-L 2`.')
}

async function read(files: Files, path: string, depth: number, all: boolean, counts: Counts): Promise<Node[]> {
  if (depth === 0) return []
  const names = (await files.readdir(path, { withFileTypes: true })).filter(one => all || !one.name.startsWith('.'))
  names.sort((a, b) => byName(a.name, b.name))
  const nodes: Node[] = []
  for (const entry of names) {
    if (entry.isDirectory()) counts.directories++
    else counts.files++
    nodes.push(await node(files, joinPath(path, entry.name), entry, depth, all, counts))
  }
  return nodes
}

async function node(files: Files, path: string, entry: Dirent, depth: number, all: boolean, counts: Counts): Promise<Node> {
  if (entry.isDirectory()) return { name: entry.name, type: 'directory', contents: await read(files, path, depth - 1, all, counts) }
  if (entry.isSymbolicLink()) return { name: entry.name, type: 'symlink', target: await files.readlink(path, 'utf8') }
  return { name: entry.name, type: entry.isFile() ? 'file' : 'other' }
}

function draw(nodes: readonly Node[], indent: string, paint: (name: string) => string): string[] {
  return nodes.flatMap((one, at) => {
    const last = at === nodes.length - 1
    const name = one.type === 'directory' ? paint(printable(one.name)) : printable(one.name)
    const line = `${indent}${last ? '└── ' : '├── '}${name}${one.target === undefined ? '' : ` -> ${printable(one.target)}`}`
    return [line, ...draw(one.contents ?? [], `${indent}${last ? '    ' : '│   '}`, paint)]
  })
}
