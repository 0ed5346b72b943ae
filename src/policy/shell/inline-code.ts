import { type Arg, mayBeOption } from '../item.js'
import type { Stdin } from './finder.js'
import { gitRuns } from './git.js'
import { sedRuns } from './sed.js'

/** Where a program takes code from its arguments or its input, which no rule can judge by looking at it. */
interface Taker {
  program: RegExp
  /** An argument that brings code; of an interpreter, one before its script. */
  code?: RegExp
  /** Its first operand is a script; without one it runs what it reads. */
  isInterpreter?: true
  /** Options of an interpreter whose value is no operand. */
  values?: RegExp
  /** Whatever it is given. */
  isAlways?: true
}

const takers: readonly Taker[] = [
  { program: /^(python|pypy)[\d.]*w?$/, code: /^-[A-Za-z]*c/, isInterpreter: true, values: /^-[WX]$/ },
  {
    program: /^(node|nodejs|bun)$/,
    code: /^(-[a-z]*[ep][a-z]*|-r|--(eval|print|require|import|preload|loader|experimental-loader)(=.*)?)$/,
    isInterpreter: true,
  },
  { program: /^deno$/, code: /^(eval|-)$/ },
  { program: /^perl[\d.]*$/, code: /^-[A-Za-z0-9]*[eEMm]/, isInterpreter: true, values: /^-I$/ },
  { program: /^ruby[\d.]*$/, code: /^-[A-Za-z0-9]*[er]/, isInterpreter: true, values: /^-I$/ },
  { program: /^php[\d.]*$/, code: /^-[A-Za-z]*[rBREd]/, isInterpreter: true },
  { program: /^(lua[\d.]*|luajit)$/, code: /^-[el]/, isInterpreter: true },
  { program: /^(tclsh|wish|expect)[\d.]*$/, code: /^-c/, isInterpreter: true },
  {
    program: /^(Rscript|R|julia|ghci?|runghc|scala|groovy|elixir|erl|iex|swift|osascript|pwsh|powershell|guile|racket|sbcl)$/,
    code: /^-+(e|r|c|eval|p|print|run|command|encodedcommand)$/i,
    isInterpreter: true,
  },
  { program: /^[gmn]?awk$/, code: /system|\||getline|@load|\/inet|^-[lie]|^--(load|include|source)/ },
  { program: /^([rg]?vim?|nvim|view|vimdiff)$/, code: /^(-[cSs]$|-es?$|\+|--cmd)/ },
  { program: /^(ex|ed|emacs)$/, isAlways: true },
  {
    program: /^(gdb|lldb|parallel|at|batch|crontab|systemd-run|unshare|nsenter|runuser|start-stop-daemon|tmux|screen|strace|ltrace|perf|valgrind)$/,
    isAlways: true,
  },
  {
    program: /^(ld\.so|ld-linux.*|entr|nodemon|dbus-run-session|xterm|setpriv|capsh|proot|fakeroot|firejail|bwrap|socat|setarch|chrt|numactl|ccache|rlwrap)$/,
    isAlways: true,
  },
  { program: /^(bsd|g)?tar$/, code: /^(--(to-command|checkpoint-action|use-compress|info-script|new-volume-script|rsh-command|rmt-command)|-[A-Za-z]*[IF])/ },
  { program: /^rsync$/, code: /^(-[A-Za-z]*e|--rsh|--rsync-path)/ },
  { program: /^zip$/, code: /^(-TT|--unzip-command)/ },
  { program: /^c?split$/, code: /^--filter/ },
  { program: /^sort$/, code: /^--compress-program/ },
  { program: /^(nc|ncat|netcat)$/, code: /^(-[A-Za-z]*[ec]|--(sh-)?exec)/ },
  { program: /^(gcc|g\+\+|clang(\+\+)?|cc|c\+\+)(-\d+)?$/, code: /^(-wrapper|-B|-fplugin|-specs|@)/ },
  { program: /^(sqlite3|psql|mysql)$/, code: /(^|[\s;])(\.(shell|system|load)|\\[!o]|system)\b/ },
  { program: /^rg$/, code: /^--(pre|hostname-bin)/ },
  { program: /^(npm|pnpm|yarn)$/, code: /^(-c|--call|--node-options|--script-shell)/ },
  { program: /^(ssh|scp|sftp)$/, code: /ProxyCommand|LocalCommand|KnownHostsCommand|^-[A-Za-z]*[FS]/i },
]

/** Why what a program runs cannot be told from its arguments; undefined when it can. */
export function hiddenCode(name: string, args: readonly Arg[], stdin: Stdin): string | undefined {
  if (name === 'git') return gitRuns(args) ? 'git is given a command to run' : undefined
  if (/^g?sed$/.test(name))
    return args.some(arg => (typeof arg === 'string' ? sedRuns(arg) : mayBeOption(arg)))
      ? 'sed is given a command to run, or text that is not known'
      : undefined
  const taker = takers.find(one => one.program.test(name))
  if (taker === undefined) return undefined
  if (taker.isAlways === true) return `${name} runs what it is told to`
  const end = taker.isInterpreter === true ? scriptAt(args, taker.values) : args.length
  const isCode = (arg: Arg): boolean => (typeof arg === 'string' ? taker.code?.test(arg) === true : taker.isInterpreter === true)
  if (args.slice(0, end).some(isCode)) return `${name} is given code`
  if (taker.isInterpreter !== true) return undefined
  const script = args[end]
  // A file whose name begins with something that is not known is an option perhaps, `-c…`.
  if (script !== undefined && script !== '-') return undefined
  return stdin === undefined || args.some(arg => typeof arg === 'string' && /^(-m|-V|-v|-h|--version|--help|--check)$/.test(arg))
    ? undefined
    : `${name} runs what it reads`
}

/** Where the script of an interpreter is: the first operand. All arguments behind are the script's. */
function scriptAt(args: readonly Arg[], values: RegExp | undefined): number {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg !== 'string') {
      if (arg.prefix !== '' && !arg.prefix.startsWith('-')) return i
    } else if (values?.test(arg) === true) i++
    else if (arg === '-m') return i
    else if (arg === '-' || !arg.startsWith('-')) return i
  }
  return args.length
}
