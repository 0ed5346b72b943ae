/** What becomes of a command, from the mildest to the strictest. `checkpoint`: it runs, after a checkpoint. `allow-with-checkpoint` in the file. */
export type Effect = 'allow' | 'checkpoint' | 'ask' | 'deny'

/** What somebody wants to run. */
export interface CommandRequest {
  command: { program: string; args: readonly string[] } | { shell: string }
  /** Within the volume, from `/`. */
  cwd: string
  actor: string
  /** The network was asked for. */
  network: boolean
  /** Names of the variables that are set for this command. Some of them choose what programs run: PATH, LD_PRELOAD, GIT_SSH. */
  env?: readonly string[]
  /** Where the volume is seen by the command, such as `/workspace`: programs below it are of the volume and not of the system. */
  workspace?: string
}

/** Bounds of one command. Without a member there is no bound of the policy's. */
export interface PolicyLimits {
  timeoutMs?: number
  /** Of stdout and stderr together, that are kept. */
  outputBytes?: number
  memoryBytes?: number
  cpuSeconds?: number
  processes?: number
  /** Globs of paths of the volume: nothing else may be changed. Without it everything may; an empty list means nothing. */
  writable?: readonly string[]
  /** Globs of what may be read and not changed, although `writable` has it. */
  readOnly?: readonly string[]
  /** Globs of what is not there for the command. */
  hidden?: readonly string[]
  network?: 'none' | 'allow'
  /** `.cairn/control` is there for the command. */
  control?: boolean
}

/** One command that the request runs, as the policy judged it. */
export interface Judged {
  /** As it was written, shortened; what could not be determined is shown as it stands in the shell text. */
  text: string
  /** Undefined when what runs cannot be known. */
  program?: string
  args: readonly string[]
  /** Some arguments are not known before it runs. */
  inexact?: true
  effect: Effect
  /** Of the rule that decided; undefined for a default. */
  rule?: string
  reason: string
  /** Why it could not be determined what runs. */
  unknown?: string
  /** What it was found in: `sh -c`, `$(…)`, `xargs`; outermost first. */
  within: readonly string[]
}

/** What the policy says to a request. The strictest of its commands decides. */
export interface Decision {
  effect: Effect
  /** Of the rule that decided; undefined for a default. */
  rule?: string
  /** For whoever asked, one sentence. */
  reason: string
  commands: readonly Judged[]
  /** The strictest of what the commands' rules say. `network` is always there, and `none` where no rule allows it. */
  limits: PolicyLimits & { network: 'none' | 'allow' }
}

/** How a question is asked. */
export interface AskSettings {
  /** It is denied after so long; default `limits.approvalMs`. */
  timeoutMs?: number
  /** Is sent each question, signed where CAIRN_WEBHOOK_KEY is set. */
  webhook?: string
}

/** One command that has to be asked about. */
export interface Asked {
  text: string
  rule?: string
  reason: string
  network: boolean
  /** Where both are known. */
  program?: string
  args?: readonly string[]
}

/** What else whoever says yes allows. */
export interface AskedHow {
  /** It runs without a sandbox, as the user that it is asked for. */
  sandbox?: 'none'
  /** It is given the network. */
  network?: 'allow'
  /** Names of the variables that are set for it. */
  env?: readonly string[]
  /** Folders of the host that it can read. */
  readable?: readonly string[]
}

/** A request that waits for a person, or was answered. Times in milliseconds since the epoch. */
export interface Approval {
  id: string
  volume: string
  /** The command as it would be typed. */
  command: string
  /** What of it has to be asked. */
  asks: readonly Asked[]
  cwd: string
  actor: string
  reason: string
  /** How it would run, where it is not as usual. */
  how?: AskedHow
  askedMs: number
  /** Denied when nobody answered by then. */
  untilMs: number
  state: 'pending' | 'approved' | 'denied' | 'expired'
  answer?: ApprovalAnswer
}

export interface ApprovalAnswer {
  approved: boolean
  /** Who answered. */
  by: string
  atMs: number
  /** What the one who asked is told. */
  reason?: string
  /** The policy has a rule for it from now on. */
  always?: true
}
