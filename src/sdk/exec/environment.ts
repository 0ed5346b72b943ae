import { userInfo } from 'node:os'

/** Variables of this program that a command is given; all others might be secrets. */
const HANDED_ON = [
  ...['LANG', 'LANGUAGE', 'LC_ALL', 'TERM', 'COLORTERM', 'NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'LINES', 'TZ', 'CI'],
  ...['ADDRESS', 'COLLATE', 'CTYPE', 'IDENTIFICATION', 'MEASUREMENT', 'MESSAGES', 'MONETARY', 'NAME', 'NUMERIC', 'PAPER', 'TELEPHONE', 'TIME'].map(
    name => `LC_${name}`,
  ),
]
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
/** What a sandbox shows of the system; a PATH may lead there, and nowhere else. */
const SHOWN = /^\/(usr|bin|sbin|opt|nix\/store|gnu\/store)(\/|$)/

export interface EnvironmentOf {
  execId: string
  actor: string
  /** Where it runs, as it sees that. */
  cwd: string
  isSandboxed: boolean
  /** Folders of this host that the sandbox shows too. */
  readable: readonly string[]
  own: Readonly<Record<string, string>>
}

/** The whole environment of a command. */
export function environmentOf(
  { execId, actor, cwd, isSandboxed, readable, own }: EnvironmentOf,
  ours: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  // Each look at one of them is a call of the system's.
  const handed = HANDED_ON.map(name => [name, ours[name]] as const).filter((one): one is [string, string] => one[1] !== undefined)
  const user = userName()
  return {
    ...Object.fromEntries(handed),
    PATH: pathFor(ours['PATH'] ?? '', isSandboxed, readable),
    HOME: isSandboxed ? '/tmp' : (ours['HOME'] ?? '/'),
    ...(isSandboxed ? { TMPDIR: '/tmp' } : ours['TMPDIR'] === undefined ? {} : { TMPDIR: ours['TMPDIR'] }),
    PWD: cwd,
    SHELL: '/bin/sh',
    USER: user,
    LOGNAME: user,
    CAIRN_EXEC: execId,
    CAIRN_ACTOR: actor,
    ...own,
  }
}

function pathFor(ours: string, isSandboxed: boolean, readable: readonly string[]): string {
  const isShown = (folder: string): boolean => SHOWN.test(folder) || readable.some(shown => folder === shown || folder.startsWith(`${shown}/`))
  const kept = ours.split(':').filter(folder => folder.startsWith('/') && (!isSandboxed || isShown(folder)))
  return [...new Set([...kept, ...SYSTEM_PATH])].join(':')
}

let known: string | undefined

function userName(): string {
  known ??= lookedUp()
  return known
}

function lookedUp(): string {
  try {
    return userInfo().username
  } catch {
    return `${process.getuid?.() ?? 0}`
  }
}
