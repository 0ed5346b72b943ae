import { exactTime, printable } from './format.js'
import { modeString, typeName } from './mode.js'
import { groupName, userName } from './owners.js'
import type { Place } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const found: unknown[] = []
  const code = await context.each(args, {}, async place => {
    const known = await look(place, options['dereference'] === true)
    found.push(known.json)
    if (!context.json) await context.out.lines(known.lines)
  })
  if (context.json) await context.result(found.length === 1 ? found[0] : found, () => [])
  return code
}

async function look(place: Place, follow: boolean): Promise<{ json: unknown; lines: string[] }> {
  const { files, path } = place
  const stat = follow ? await files.stat(path, { bigint: true }) : await files.lstat(path, { bigint: true })
  const mode = Number(stat.mode)
  const target = stat.isSymbolicLink() ? await files.readlink(path, 'utf8') : undefined
  const times = { atime: stat.atimeNs, mtime: stat.mtimeNs, ctime: stat.ctimeNs, birthtime: stat.birthtimeNs }
  const json = {
    path: `${place.prefix}${path}`,
    type: typeName(mode),
    ...(target !== undefined && { target }),
    ino: String(stat.ino),
    mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: Number(stat.size),
    blocks: Number(stat.blocks),
    rdev: Number(stat.rdev),
    ...Object.fromEntries(Object.entries(times).map(([name, ns]) => [`${name}Ns`, String(ns)])),
  }
  const lines = [
    `  File: ${printable(json.path)}${target === undefined ? '' : ` -> ${printable(target)}`}`,
    `  Size: ${json.size}  Blocks: ${json.blocks}  ${json.type}`,
    ` Inode: ${json.ino}  Links: ${json.nlink}`,
    `Access: (${json.mode}/${modeString(mode)})  Uid: ${json.uid}/${userName(json.uid)}  Gid: ${json.gid}/${groupName(json.gid)}`,
    `Access: ${exactTime(times.atime)}`,
    `Modify: ${exactTime(times.mtime)}`,
    `Change: ${exactTime(times.ctime)}`,
    ` Birth: ${exactTime(times.birthtime)}`,
  ]
  return { json, lines }
}
