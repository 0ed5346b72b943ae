import { CairnError } from '../errors.js'
import { isBinary } from '../history/diff/git-patch.js'
import { linesOf } from '../history/diff/line-diff.js'
import { Blame } from '../history/log/blame-lines.js'
import type { BlameState } from '../history/log/blame-read.js'
import { limits } from '../sys/index.js'
import type { Host } from './host.js'
import type { BlameLine } from './types.js'

/** Asks for the states of a file and finds out here which of them brought each line, so that the server does not. */
export async function blame(host: Host, name: string, path: string, ref: string | undefined): Promise<BlameLine[]> {
  const id = (await host.call('blameOpen', name, path, ref)) as number
  try {
    let states: BlameState[] | undefined
    while (states === undefined) states = (await host.call('blameStates', id)) as BlameState[] | undefined
    const found = new Blame()
    for (const [i, state] of states.entries()) {
      const bytes = await read(host, id, i)
      const isLast = i === states.length - 1
      if (bytes === undefined || isBinary(bytes)) {
        if (isLast) throw notText(path)
        found.add([], i, true)
      } else found.add(linesOf(bytes), i, state.fresh)
    }
    return found.lines.map(({ text, owner }, i) => lineOf(i + 1, text, states[owner]))
  } finally {
    await host.call('close', id)
  }
}

/** Undefined: too large. */
async function read(host: Host, id: number, index: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  for (let at = 0; at <= limits.diffTextBytes; ) {
    const bytes = (await host.call('blameFile', id, index, at)) as Uint8Array
    parts.push(bytes)
    at += bytes.length
    if (bytes.length < limits.rpcChunkBytes) return Buffer.concat(parts)
  }
  return undefined
}

function notText(path: string): CairnError {
  return new CairnError(
    'ERR_BINARY',
    `${path} is no text, or larger than ${limits.diffTextBytes / 1024 / 1024} MiB: it has no lines.`,
    'See `cairn log` of the path.',
  )
}

function lineOf(line: number, text: string, { timeMs, actor, version, commit }: BlameState): BlameLine {
  return {
    line,
    text: Buffer.from(text.replace(/\n$/, ''), 'latin1').toString('utf8'),
    timeMs,
    ...(actor === undefined ? {} : { actor }),
    ...(version === undefined ? {} : { version }),
    ...(commit === undefined ? {} : { commit: commit.id, ...(commit.name === undefined ? {} : { name: commit.name }) }),
  }
}
