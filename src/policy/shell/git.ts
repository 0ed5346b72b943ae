import type { Arg } from '../item.js'

const VALUES = /^(-C|--git-dir|--work-tree|--namespace|--super-prefix)$/
const CONFIGURES = /^(-c|--config-env(=.*)?|--exec-path=.*)$/
const TRANSPORTS = /^(--upload-pack|--receive-pack|--exec|--template|-u$|ext::)/

/** By subcommand, an argument that makes git run something that is named there. */
const RUNS: ReadonlyMap<string, RegExp> = new Map([
  ['rebase', /^(-x|--exec)/],
  ['bisect', /^run$/],
  ['submodule', /^foreach$/],
  ['difftool', /^(-x|--extcmd)/],
  ['mergetool', /^(-x|--extcmd)/],
  ['grep', /^(-O|--open-files-in-pager)/],
  ['clone', /^(--upload-pack|--template|-u$|-c$|--config|ext::)/],
  ['init', /^--template/],
  ['fetch', TRANSPORTS],
  ['pull', TRANSPORTS],
  ['push', TRANSPORTS],
  ['ls-remote', TRANSPORTS],
  ['archive', /^(--exec|--remote)/],
  ['filter-branch', /./],
  ['config', /^/],
  ['remote', /^ext::/],
  ['send-email', /^/],
  ['instaweb', /^/],
])

/** Its arguments, or a setting among them, make git run another program. Hooks and aliases of the repository are not seen. */
export function gitRuns(args: readonly Arg[]): boolean {
  let at = 0
  for (; at < args.length; at++) {
    const arg = args[at]
    if (typeof arg !== 'string') return arg.prefix === '' || arg.prefix.startsWith('-')
    if (CONFIGURES.test(arg)) return true
    if (VALUES.test(arg)) at++
    else if (!arg.startsWith('-')) break
  }
  const [command, ...rest] = args.slice(at)
  if (typeof command !== 'string') return false
  const pattern = RUNS.get(command)
  if (pattern === undefined) return false
  if (command === 'config') return setsSomething(rest)
  return rest.some(arg => typeof arg === 'string' && pattern.test(arg))
}

/** `git config key value` and its like: pagers, editors, hooks. Reading is harmless. */
function setsSomething(args: readonly Arg[]): boolean {
  const words = args.filter(arg => typeof arg !== 'string' || !arg.startsWith('-'))
  const reads = args.some(arg => typeof arg === 'string' && /^(--get.*|--list|-l|get|list)$/.test(arg))
  return !reads && (words.length > 1 || args.some(arg => arg === '--edit' || arg === '-e'))
}
