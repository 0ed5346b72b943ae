const slash = Buffer.from('/')

/** `dir` and `name`, with one slash. */
export function joinRaw(dir: Buffer, name: Buffer): Buffer {
  if (name.length === 0) return dir
  return dir.length > 0 && dir[dir.length - 1] === slash[0] ? Buffer.concat([dir, name]) : Buffer.concat([dir, slash, name])
}

/** The last component, as cp and mv name a target after its source; empty for the root, `.` and `..`. */
export function targetName(path: string): string {
  const name = path.replace(/\/+$/, '').split('/').pop() ?? ''
  return name === '.' || name === '..' ? '' : name
}

export function joinPath(dir: string, name: string): string {
  return name === '' ? dir : dir.endsWith('/') ? `${dir}${name}` : `${dir}/${name}`
}

/** Bytewise order, which is that of the C locale. */
export function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
