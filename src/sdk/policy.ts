import { DEFAULT_POLICY } from '../policy/default.js'
import type { CommandRequest, Decision, Policy, Tried } from '../policy/index.js'
import type { StoredPolicy } from '../volume/policy-record.js'
import type { CairnApi, PolicyInfo } from './types.js'

/** Compiled policies that are kept, by revision: one for each volume that a program works with. */
const KEPT = 64
const compiled = new Map<string, Promise<Policy>>()

/** A command as a policy is asked about it. */
export interface CheckOptions {
  /** Default `/`. */
  cwd?: string
  /** Default: the actor of the program that asks. */
  actor?: string
  /** The command asks for the network. Default false. */
  network?: boolean
  /** Names of variables that are set for it. */
  env?: readonly string[]
  workspace?: string
}

/** A program with its arguments, or the text of a shell. */
export type CheckedCommand = readonly [program: string, ...args: string[]] | { shell: string }

export function infoOf(stored: StoredPolicy | undefined): PolicyInfo {
  if (stored === undefined) return { text: DEFAULT_POLICY, isDefault: true, revision: '' }
  return { ...stored, isDefault: false }
}

/**
 * The policy that judges commands in a volume now: its own, or the default one. One that cannot be read, or that is broken, denies everything and says why.
 * Compiled once for each text.
 */
export async function policyInForce(cairn: Pick<CairnApi, 'policy'>, name: string): Promise<Policy> {
  const { brokenPolicy } = await import('../policy/index.js')
  let info: PolicyInfo
  try {
    info = await cairn.policy(name)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_CORRUPT') throw error
    return brokenPolicy('', `The policy of ${name} cannot be read: ${(error as Error).message}`)
  }
  return compiledOf(info)
}

/** Compiled once for each text; one that is broken denies everything. */
export function compiledOf({ revision, text }: Pick<PolicyInfo, 'revision' | 'text'>): Promise<Policy> {
  const known = compiled.get(revision)
  if (known !== undefined) return known
  const made = compile(text)
  if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value ?? '')
  compiled.set(revision, made)
  return made
}

async function compile(text: string): Promise<Policy> {
  const { brokenPolicy, parsePolicy } = await import('../policy/index.js')
  try {
    return await parsePolicy(text)
  } catch (error) {
    return brokenPolicy(text, `The policy of the volume is broken: ${(error as Error).message}`)
  }
}

export function requestOf(command: CheckedCommand, options: CheckOptions, actor: string): CommandRequest {
  const { cwd = '/', network = false, env, workspace } = options
  const what = 'shell' in command ? command : { program: command[0], args: command.slice(1) }
  return {
    command: what,
    cwd,
    network,
    actor: options.actor ?? actor,
    ...(env === undefined ? {} : { env }),
    ...(workspace === undefined ? {} : { workspace }),
  }
}

/** @throws CairnError ERR_POLICY with line and column of what is wrong; ERR_POLICY_EXAMPLE for an example that comes out otherwise */
export async function checkText(text: string, name?: string): Promise<void> {
  const { parsePolicy, tryExamples } = await import('../policy/index.js')
  const policy = await parsePolicy(text, name)
  const failed = (await tryExamples(policy)).find(one => !one.ok)
  if (failed !== undefined) throw await exampleError(failed, name)
}

async function exampleError({ line, run, expect, expectRule, decision }: Tried, name = 'cairn.policy.yaml'): Promise<Error> {
  const { CairnError } = await import('../errors.js')
  const { effectInFile } = await import('../policy/index.js')
  const by = (rule: string | undefined): string => (rule === undefined ? '' : ` by the rule "${rule}"`)
  return new CairnError(
    'ERR_POLICY_EXAMPLE',
    `${name}, line ${line}: ${run} is expected to be ${effectInFile(expect)}${by(expectRule)}, and the policy says ${effectInFile(decision.effect)}${by(decision.rule)}.`,
    'Correct the rules or the example.',
  )
}

export async function decideFor(cairn: Pick<CairnApi, 'policy'>, name: string, request: CommandRequest): Promise<Decision> {
  const [{ decide }, policy] = await Promise.all([import('../policy/index.js'), policyInForce(cairn, name)])
  return decide(policy, request)
}
