import { dirname } from 'node:path'
import type { Context } from './context.js'
import { Copier, type End } from './copy.js'
import { about, usageError } from './errors.js'
import { hostExtras, volumeExtras } from './extras.js'
import { humanSize, plural } from './format.js'
import { joinPath, targetName } from './paths.js'
import type { Files, Place } from './places.js'
import { Progress } from './progress.js'
import { insteadOf } from './reserved.js'
import { gathered } from './stdin.js'

export interface CopyFlags {
  recursive: boolean
  preserve: boolean
  archive: boolean
  force: boolean
}

/** `import` wants the host first, `export` the volume first; `cp` takes any order. */
export type Direction = 'any' | 'into-volume' | 'to-host'

/** cp, import and export. Returns the exit code. */
export async function copyCommand(context: Context, args: readonly string[], flags: CopyFlags, direction: Direction = 'any'): Promise<number> {
  const sources = args.slice(0, -1).map(text => (direction === 'into-volume' ? hostName(text) : text))
  const last = args[args.length - 1]
  const rules = { host: true, stdio: direction === 'any' }
  if (last === '-') context.readsOnly()
  const target = await context.locate(direction === 'to-host' ? hostName(last) : last, { ...rules, writes: true })
  if (direction === 'into-volume') wantVolume(target, 'import', 'cairn import ./project work:/')
  // The target is open; where it lies in the volume of a source, that is open too.
  context.readsOnly()
  if (target.kind === 'stdio') return toStdout(context, sources)
  const stat = await target.files.stat(target.path).catch(() => undefined)
  const into = stat?.isDirectory() === true
  if (sources.length > 1 && !into)
    throw usageError(`${target.shown} is not a directory, and there are ${sources.length} sources.`, 'Make it with `cairn mkdir`, or copy one file.')
  const total: Total = { files: 0, directories: 0, bytes: 0 }
  const progress = new Progress(context.out, 'copied')
  let code = 0
  for (const text of sources) {
    const source = await context.locate(text, rules)
    if (direction === 'to-host') wantVolume(source, 'export', 'cairn export work:/project ./project')
    code = Math.max(code, await copyOne(context, source, target, into, flags, progress, total))
  }
  progress.end()
  await context.result(total, () =>
    direction === 'any' ? [] : [`${direction === 'to-host' ? 'Exported' : 'Imported'} ${plural(total.files, 'file')} (${humanSize(total.bytes)}B).`],
  )
  return code
}

/** A plain name where only the host is meant. */
function hostName(text: string): string {
  return text === '' || /[:@/]/.test(text) ? text : `./${text}`
}

interface Total {
  files: number
  directories: number
  bytes: number
  /** What could not have its name. */
  renamed?: { from: string; to: string }[]
}

function wantVolume(place: Place, command: string, example: string): void {
  if (place.kind === 'host')
    throw usageError(`${place.shown} is a path of the host, and \`cairn ${command}\` wants an address of a volume there.`, `Write it as in \`${example}\`.`)
}

async function copyOne(context: Context, source: Place, target: Place, into: boolean, flags: CopyFlags, progress: Progress, total: Total): Promise<number> {
  if (source.kind === 'host' && target.kind === 'host') {
    throw usageError(`${source.shown} and ${target.shown} are both on the host.`, 'Use cp of the host, or write one as VOLUME:/path.')
  }
  if (source.kind === 'stdio') return fromStdin(context, target, into)
  const to = into ? joinPath(target.path, targetName(source.path)) : target.path
  let code = 0
  const onError = async (error: unknown, path: Buffer, end: End) => {
    const failed = (error as NodeJS.ErrnoException).path ?? path
    const named = about(error, end.prefix, path.toString(), end.prefix === target.prefix && failed.toString().startsWith(to))
    if (context.json) throw named
    code = Math.max(1, await context.failure(named))
  }
  const onProgress = (files: number, bytes: number) => progress.add(files, bytes)
  const instead = (path: Buffer) => {
    const other = insteadOf(path)
    if (other === undefined) return undefined
    const renamed = { from: `${target.prefix}${path}`, to: `${target.prefix}${other}` }
    total.renamed = [...(total.renamed ?? []), renamed]
    if (!context.json) context.out.note(`cairn: ${renamed.from} is copied to ${renamed.to}: the name stands for the history of the volume.`)
    return other
  }
  const copier = new Copier(await endOf(context, source), await endOf(context, target), {
    ...flags,
    onError,
    onProgress,
    sharedDevice: await sharedDevice(context, source, target),
    ...(target.volume === undefined ? {} : { instead }),
  })
  await copier.copy(Buffer.from(source.path), Buffer.from(to))
  total.files += copier.counts.files
  total.directories += copier.counts.directories
  total.bytes += copier.counts.bytes
  return code
}

async function endOf(context: Context, place: Place): Promise<End> {
  const extras = place.volume === undefined ? await hostExtras() : volumeExtras(await context.volume(place.volume, place.ref))
  return { files: place.files, extras, prefix: place.prefix }
}

/** See `CopyOptions.sharedDevice`. */
async function sharedDevice(context: Context, source: Place, target: Place): Promise<bigint | undefined> {
  const device = async (files: Files, path: string) => (await files.stat(path, { bigint: true }).catch(() => undefined))?.dev
  // What is there of a state of the past never changes.
  if (source.ref !== undefined) return undefined
  if (source.volume !== undefined && target.volume !== undefined) return source.volume === target.volume ? device(source.files, '/') : undefined
  if (source.volume === undefined && target.volume === undefined) return (await device(target.files, target.path)) ?? device(target.files, dirname(target.path))
  const { mounts } = (await (await context.cairn()).status(source.volume ?? target.volume)).server
  const mount = mounts.find(one => one.name === (source.volume ?? target.volume))
  if (mount === undefined) return undefined
  return source.volume === undefined ? device(source.files, mount.mountpoint) : device(source.files, '/')
}

async function toStdout(context: Context, sources: readonly string[]): Promise<number> {
  const { run } = await import('./cat.js')
  return (await run(context, [...sources], {})) ?? 0
}

async function fromStdin(context: Context, target: Place, into: boolean): Promise<number> {
  if (into) throw usageError(`${target.shown} is a directory, and what comes from stdin has no name.`, `Write ${joinPath(target.shown, 'NAME')}.`)
  if (target.kind === 'host') throw usageError('stdin and the host are both outside of volumes.', 'Write one side as VOLUME:/path.')
  const handle = await target.files.open(target.path, 'w').catch(error => {
    throw about(error, target.prefix, target.path, true)
  })
  try {
    for await (const chunk of gathered(context.streams.stdin)) await handle.writeFile(chunk)
  } finally {
    await handle.close()
  }
  return 0
}
