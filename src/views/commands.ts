import { CairnError } from '../errors.js'
import type { UndoResult } from '../history/merge/undo.js'
import type { Change, CommitInfo, VolumeInfo, VolumeStatus } from '../volume/api.js'
import { logText } from './log.js'

/** Who wrote a command. */
export interface Asker {
  uid: number
  pid: number
  /** Ties what the command records to the request that asked for it, so that it does not run twice. */
  request: { high: number; low: number; isResent: boolean }
}

/** What `.cairn/control` can ask for. Each sees all that was acknowledged, and is done when the mount shows it. */
export interface Commands {
  checkpoint(name: string, message: string | undefined, by: Asker): Promise<CommitInfo>
  fork(name: string, by: Asker): Promise<VolumeInfo>
  /** Goes back to a ref, with all or with one path: from the root of the mount, or as a program of this machine sees it. */
  restore(ref: string, path: string | undefined, by: Asker): Promise<CommitInfo>
  /** Takes back so many of the newest changes, or just one commit. */
  undo(what: number | string, by: Asker): Promise<UndoResult>
  /** What changed since a ref; default the newest checkpoint, or where the volume was forked. */
  diff(ref: string | undefined): Promise<Change[]>
  status(): Promise<VolumeStatus>
}

interface Command {
  /** How it is written. */
  usage: string
  what: string
  changes: boolean
  run(commands: Commands, args: Arguments, by: Asker): Promise<string>
}

/** The words of a command line behind its first. */
interface Arguments {
  first: string
  /** All behind the first, as it was written; undefined when there is nothing. */
  rest: string | undefined
}

const table: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    'checkpoint',
    {
      usage: 'checkpoint NAME [MESSAGE]',
      what: 'keep the state of now under a name',
      changes: true,
      run: async (commands, { first, rest }, by) => logText([await commands.checkpoint(wanted(first, 'checkpoint'), rest, by)]),
    },
  ],
  [
    'fork',
    {
      usage: 'fork NEW',
      what: 'make a new volume of the state of now',
      changes: true,
      run: async (commands, args, by) => {
        const { name, id } = await commands.fork(wanted(alone(args, 'fork'), 'fork'), by)
        return `forked to ${name} (${id})\n`
      },
    },
  ],
  [
    'restore',
    {
      usage: 'restore REF [PATH]',
      what: 'go back to REF, with everything or with one path',
      changes: true,
      run: async (commands, { first, rest }, by) => logText([await commands.restore(wanted(first, 'restore'), rest, by)]),
    },
  ],
  [
    'undo',
    {
      usage: 'undo [N | COMMIT]',
      what: 'take back the newest change, the N newest, or that of COMMIT',
      changes: true,
      run: async (commands, args, by) => undoText(await commands.undo(undoneBy(alone(args, 'undo')), by)),
    },
  ],
  [
    'diff',
    {
      usage: 'diff [REF]',
      what: 'what changed since REF, default the newest checkpoint',
      changes: false,
      run: async (commands, args) => (await commands.diff(alone(args, 'diff') || undefined)).map(line).join(''),
    },
  ],
  [
    'status',
    {
      usage: 'status',
      what: 'the volume, its size, and what is not published yet',
      changes: false,
      run: async commands => statusText(await commands.status()),
    },
  ],
  ['help', { usage: 'help', what: 'this text', changes: false, run: async () => help }],
])

export const help = `Write one of these to this file, then read the answer from it.\n${[...table.values()].map(({ usage, what }) => `  ${usage.padEnd(28)}${what}\n`).join('')}`

/** Runs one line. @returns its answer @throws CairnError, also ERR_COMMAND_UNKNOWN and ERR_COMMAND_USAGE, and what the command throws */
export async function runCommand(commands: Commands, text: string, by: Asker, isReadOnly: boolean): Promise<string> {
  const [, verb, first, rest] = /^\s*(\S+)(?:\s+(\S+))?(?:\s+(.*?))?\s*$/s.exec(text) ?? []
  const command = table.get(verb)
  if (command === undefined)
    throw new CairnError('ERR_COMMAND_UNKNOWN', `There is no command '${verb ?? ''}'.`, `Write one of ${[...table.keys()].join(', ')}.`, { exitCode: 2 })
  if (command.changes && isReadOnly)
    throw new CairnError('ERR_READ_ONLY', 'The volume is mounted read-only here.', `Use \`cairn ${verb}\`, or mount it without --read-only.`)
  return command.run(commands, { first: first ?? '', rest: rest === '' ? undefined : rest }, by)
}

function wanted(word: string, verb: string): string {
  if (word === '') throw misused(verb)
  return word
}

/** The only word of a command that takes no more. */
function alone({ first, rest }: Arguments, verb: string): string {
  if (rest !== undefined) throw misused(verb)
  return first
}

function misused(verb: string): CairnError {
  return new CairnError('ERR_COMMAND_USAGE', `\`${verb}\` is not used like this.`, `Write \`${table.get(verb)?.usage}\`.`, { exitCode: 2 })
}

/** A number of changes, or the ref of a commit. */
function undoneBy(word: string): number | string {
  if (word === '') return 1
  if (!/^\d+$/.test(word)) return word
  if (!/^[1-9]\d{0,8}$/.test(word)) throw misused('undo')
  return Number(word)
}

function undoText({ state, undone, commit, conflicts }: UndoResult): string {
  if (state === 'conflicts') {
    const paths = conflicts.filter(conflict => conflict.resolved === undefined).map(({ path }) => path)
    throw new CairnError(
      'ERR_UNDO_CONFLICT',
      `Later changes touched the same: ${paths.join(', ')}.`,
      'Nothing was changed. `cairn undo` has --ours and --theirs.',
    )
  }
  if (commit === undefined) return 'nothing to take back: it is gone already\n'
  return `${logText([commit])}took back:\n${logText(undone)}`
}

function line({ kind, path, from, type, sizeBefore, sizeAfter }: Change): string {
  const sizes = type === 'file' && sizeBefore !== sizeAfter ? `  (${sizeBefore ?? 0} → ${sizeAfter ?? 0} bytes)` : ''
  return `${kind.padEnd(9)} ${from === undefined ? '' : `${from} → `}${path}${sizes}\n`
}

function statusText({ name, id, inodes, bytes, unsealedBytes, lastSealMs, parent }: VolumeStatus): string {
  const lines = [
    ['volume', `${name} (${id})`],
    ...(parent === undefined ? [] : [['forked from', `${parent.volume}${parent.commit === '' ? '' : `@${parent.commit}`}`]]),
    ['inodes', String(inodes)],
    ['bytes', String(bytes)],
    ['unsealed', `${unsealedBytes} bytes`],
    ...(lastSealMs === undefined ? [] : [['last seal', new Date(lastSealMs).toISOString()]]),
  ]
  return lines.map(([what, value]) => `${`${what}:`.padEnd(14)}${value}\n`).join('')
}
