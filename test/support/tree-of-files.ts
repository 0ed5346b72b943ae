import { FileSystem } from '../../src/fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../src/node/index.js'
import type { Session } from '../../src/volume/session.js'

/** What a path is. */
export interface Node {
  type: 'file' | 'directory' | 'symlink'
  mode: number
  content: string
  xattrs: string
}
export type Files = Map<string, Node>

export function shaped(session: Session): VolumeFs {
  return createFs(new LocalBackend(new LocalOps(new FileSystem(session), { cred: null })))
}

export function opsOf(fs: VolumeFs): LocalOps {
  return (fs.backend as LocalBackend).ops
}

/** Every path of a volume with all that a diff may tell. */
export function filesOf(fs: VolumeFs): Files {
  const files: Files = new Map()
  const visit = (path: string): void => {
    const node = nodeOf(fs, path)
    files.set(path, node)
    if (node.type === 'directory') for (const name of fs.readdirSync(path)) visit(path === '/' ? `/${name}` : `${path}/${name}`)
  }
  visit('/')
  return files
}

function nodeOf(fs: VolumeFs, path: string): Node {
  const stat = fs.lstatSync(path)
  const type = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : 'file'
  const content = type === 'file' ? fs.readFileSync(path, 'latin1') : type === 'symlink' ? fs.readlinkSync(path) : ''
  const ops = opsOf(fs)
  const xattrs = ops
    .listxattr(path, false)
    .sort()
    .map(name => `${name}=${Buffer.from(ops.getxattr(path, name, false)).toString('hex')}`)
  return { type, mode: stat.mode, content, xattrs: xattrs.join(' ') }
}
