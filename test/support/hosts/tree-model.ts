import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { createFs } from '../../../src/node/index.js'

type Shape = ReturnType<typeof createFs>

/** The same object under several paths is one file with several links. */
export interface ModelFile {
  readonly bytes: Buffer
}

/** All that a volume holds, by path; nobody changes one that was made. */
export type ModelTree = ReadonlyMap<string, ModelFile | 'directory'>

export const EMPTY: ModelTree = new Map()

const digests = new WeakMap<ModelFile, string>()

function digestOf(file: ModelFile): string {
  const known = digests.get(file) ?? createHash('sha1').update(file.bytes).digest('hex')
  digests.set(file, known)
  return known
}

/** Two trees have the same exactly when names, kinds, links and every byte are the same. */
export function fingerprintOf(tree: ModelTree): string {
  const first = new Map<ModelFile, string>()
  const lines: string[] = []
  for (const path of [...tree.keys()].sort()) {
    const node = tree.get(path) as ModelFile | 'directory'
    if (node === 'directory') lines.push(`${path}/`)
    else {
      const link = first.get(node) ?? path
      first.set(node, link)
      lines.push(`${path} ${link} ${node.bytes.length} ${digestOf(node)}`)
    }
  }
  return lines.join('\n')
}

/** All that a volume shows; sizes and numbers of links are as they must be. */
export function treeIn(fs: Shape): ModelTree {
  const tree = new Map<string, ModelFile | 'directory'>()
  const files = new Map<number, { file: ModelFile; nlink: number; found: number }>()
  const walk = (folder: string): void => {
    for (const name of fs.readdirSync(folder === '' ? '/' : folder) as string[]) {
      const path = `${folder}/${name}`
      const stat = fs.lstatSync(path)
      if (stat.isDirectory()) {
        tree.set(path, 'directory')
        walk(path)
        continue
      }
      const ino = Number(stat.ino)
      const known = files.get(ino) ?? { file: { bytes: fs.readFileSync(path) as Buffer }, nlink: Number(stat.nlink), found: 0 }
      expect([path, known.file.bytes.length]).toEqual([path, Number(stat.size)])
      known.found++
      files.set(ino, known)
      tree.set(path, known.file)
    }
  }
  walk('')
  for (const { nlink, found } of files.values()) expect(nlink).toBe(found)
  return tree
}
