import { humanSize } from './format.js'
import { defaultOperand } from './operands.js'
import { byName, joinPath } from './paths.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'

interface Usage {
  path: string
  bytes: number
}

export const run: Run = async (context, args, options) => {
  const found: Usage[] = []
  const code = await context.each(args.length > 0 ? args : [defaultOperand()], {}, async place => {
    const usages: Usage[] = []
    const total = await measure(place.files, place.path, options['all'] === true, usages, new Set())
    const kept = options['summarize'] === true ? [{ path: place.path, bytes: total }] : usages
    found.push(...kept.map(({ path, bytes }) => ({ path: `${place.prefix}${path}`, bytes })))
  })
  const show = (bytes: number) => (options['humanReadable'] === true ? humanSize(bytes) : String(Math.ceil(bytes / 1024)))
  await context.result(found, () => found.map(({ path, bytes }) => `${show(bytes)}\t${path}`))
  return code
}

/** Bytes held by `path` and all below it; a file with several names counts once. */
async function measure(files: Files, path: string, all: boolean, usages: Usage[], seen: Set<bigint>): Promise<number> {
  const stat = await files.lstat(path, { bigint: true })
  if (stat.nlink > 1n && !stat.isDirectory()) {
    if (seen.has(stat.ino)) return 0
    seen.add(stat.ino)
  }
  let bytes = Number(stat.blocks) * 512
  if (stat.isDirectory()) {
    const names = (await files.readdir(path)).sort(byName)
    for (const name of names) bytes += await measure(files, joinPath(path, name), all, usages, seen)
  }
  if (stat.isDirectory() || all) usages.push({ path, bytes })
  return bytes
}
