import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { z } from 'zod'
import { ifThere, nativeProgram } from '../sys/index.js'

const execute = promisify(execFile)

/** Folders in which the programs that run commands are looked for; never those of PATH, which others may say. */
const FOLDERS = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin']
const TRIAL_MS = 10_000

const toolsSchema = z.object({
  /** Why it cannot be used stands in `bubblewrapProblem`. */
  bubblewrap: z.object({ path: z.string(), ownUsers: z.boolean(), disablesUsers: z.boolean(), start: z.string().optional() }).optional(),
  bubblewrapProblem: z.string().optional(),
  namespace: z
    .union([z.object({ start: z.string(), asUser: z.boolean() }), z.object({ unshare: z.string(), setpriv: z.string(), asUser: z.boolean() })])
    .optional(),
  setpriv: z.string().optional(),
})

/** What this machine has to run commands with, tried out. */
export type Tools = z.infer<typeof toolsSchema>

export function programAt(name: string, folders: readonly string[] = FOLDERS): string | undefined {
  return folders.map(folder => `${folder}/${name}`).find(path => existsSync(path))
}

/** Tries what there is, one after the other; some 20 ms. */
export async function findTools(): Promise<Tools> {
  const bubblewrap = await tryBubblewrap()
  const namespace = await tryNamespace()
  const setpriv = programAt('setpriv')
  const dies = setpriv !== undefined && (await works(setpriv, ['--pdeathsig', 'KILL', '/bin/true'])) === undefined
  return { ...bubblewrap, ...(namespace === undefined ? {} : { namespace }), ...(dies ? { setpriv } : {}) }
}

/** Undefined when it works, else why not. */
async function works(file: string, args: readonly string[]): Promise<string | undefined> {
  try {
    await execute(file, args, { timeout: TRIAL_MS, killSignal: 'SIGKILL', env: {} })
    return undefined
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    return (stderr?.trim().split('\n').pop() || message).slice(0, 300)
  }
}

async function tryBubblewrap(): Promise<Pick<Tools, 'bubblewrap' | 'bubblewrapProblem'>> {
  const path = programAt('bwrap')
  if (path === undefined) return { bubblewrapProblem: 'bubblewrap is not installed' }
  const trial = [
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-net',
    '--die-with-parent',
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
  ]
  const run = (...more: string[]): Promise<string | undefined> => works(path, [...more, ...trial, '/bin/true'])
  const problem = await run('--unshare-user')
  const start = (...more: string[]): Promise<{ start?: string }> => tryWithin(path, [...more, ...trial])
  if (problem === undefined) {
    const disablesUsers = (await run('--unshare-user', '--disable-userns')) === undefined
    return { bubblewrap: { path, ownUsers: true, disablesUsers, ...(await start('--unshare-user')) } }
  }
  if (process.getuid?.() === 0 && (await run()) === undefined) return { bubblewrap: { path, ownUsers: false, disablesUsers: false, ...(await start()) } }
  return { bubblewrapProblem: `bubblewrap does not work here (${problem})` }
}

/** The program that becomes a command within a sandbox, which has it as a descriptor alone: where it was compiled, and bubblewrap can run it so. */
async function tryWithin(bubblewrap: string, words: readonly string[]): Promise<{ start?: string }> {
  const start = nativeProgram('start')
  if (start === undefined) return {}
  const fd = openSync(start, 'r')
  const trial = ['3', '2', '0', '-1', '-1', '-1', '0', '/bin/true']
  const child = spawn(bubblewrap, [...words, '/proc/self/fd/3', ...trial], { stdio: ['ignore', 'ignore', 'ignore', fd], env: {}, timeout: TRIAL_MS })
  closeSync(fd)
  const code = await new Promise(resolve => child.once('exit', resolve).once('error', resolve))
  return code === 0 ? { start } : {}
}

async function tryNamespace(): Promise<Tools['namespace']> {
  const asUser = process.getuid?.() !== 0
  const start = nativeProgram('start')
  if (start !== undefined) {
    const trial = [process.pid, asUser ? 1 : 0, 0, -1, -1, -1, 0].map(String)
    if ((await works(start, [...trial, '/bin/true'])) === undefined) return { start, asUser }
  }
  return tryUnshare(asUser)
}

/** Where nothing was compiled, or what was may not be run. */
export async function tryUnshare(asUser: boolean): Promise<Tools['namespace']> {
  const unshare = programAt('unshare')
  const setpriv = programAt('setpriv')
  if (unshare === undefined || setpriv === undefined) return undefined
  const user = asUser ? ['--user', '--map-current-user'] : []
  const trial = ['--pdeathsig', 'KILL', unshare, ...user, '--pid', '--fork', '--mount-proc', '--kill-child=KILL', '/bin/true']
  return (await works(setpriv, trial)) === undefined ? { unshare, setpriv, asUser } : undefined
}

/**
 * The same, found out once for each user and start of this machine.
 * @param file of this user alone, which keeps the answer
 */
export async function knownTools(file: string): Promise<Tools> {
  const key = situation()
  const known = fromFile(file, key)
  if (known !== undefined) return known
  const tools = await findTools()
  const written = `${file}.${process.pid}`
  writeFileSync(written, JSON.stringify({ key, tools }), { mode: 0o600 })
  renameSync(written, file)
  return tools
}

function fromFile(file: string, key: string): Tools | undefined {
  try {
    const text = ifThere(() => readFileSync(file, 'utf8'))
    const known = text === undefined ? undefined : (JSON.parse(text) as { key: string; tools: unknown })
    return known?.key === key ? toolsSchema.parse(known.tools) : undefined
  } catch {
    // Cut short or of another version: found out again.
    return undefined
  }
}

/** Whatever the answer depends on. */
function situation(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const programs = [...['bwrap', 'unshare', 'setpriv'].map(name => programAt(name)), nativeProgram('start')].map(path => {
    return path === undefined ? '' : `${path} ${statSync(path).mtimeMs}`
  })
  const capabilities = /^CapEff:.*$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[0]
  return [boot, process.getuid?.(), capabilities, ...programs].join(' ')
}
