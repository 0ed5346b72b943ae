import { usageError } from './errors.js'
import { commonOptions } from './program.js'
import type { CommandSpec, Run } from './spec.js'
import { nearest } from './suggest.js'
import { allCommands, parents } from './table.js'

const shells = new Map<string, () => string>([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
])

/** Scripts made from the command table; names of volumes are asked of `cairn volumes -q` when Tab is pressed. */
export const run: Run = async (context, [shell]) => {
  const make = shells.get(shell)
  if (make === undefined) {
    const close = nearest(shell, shells.keys())
    throw usageError(
      `There is no completion for ${JSON.stringify(shell)}.`,
      close === undefined ? 'There is one for bash, zsh and fish.' : `Did you mean ${close}?`,
    )
  }
  await context.out.write(make())
  return 0
}

/** `-a, --all <x>` as the flags alone. */
function flagsOf(spec: CommandSpec): string[] {
  const pairs = [...(spec.options ?? []), ...commonOptions, ['--help', '']] as ReadonlyArray<readonly [string, string]>
  return pairs.flatMap(([flags]) => flags.split(/[ ,]+/).filter(word => word.startsWith('-')))
}

function firstWords(): string[] {
  return [...new Set(allCommands().flatMap(spec => [spec.name.split(' ')[0], ...(spec.aliases ?? [])]))]
}

function secondWords(parent: string): string[] {
  return allCommands()
    .filter(spec => spec.name.startsWith(`${parent} `))
    .map(spec => spec.name.split(' ')[1])
}

function operandsOf(spec: CommandSpec): string {
  return spec.completes ?? 'none'
}

function bash(): string {
  const cases = allCommands().flatMap(spec =>
    [spec.name, ...(spec.aliases ?? [])].map(name => `    '${name}') flags='${flagsOf(spec).join(' ')}' operands=${operandsOf(spec)} ;;`),
  )
  const seconds = [...parents.keys()].map(parent => `    ${parent}) seconds='${secondWords(parent).join(' ')}' ;;`)
  return `# Completion of cairn for bash: source <(cairn completion bash)
_cairn() {
  # The colon of an address must not end a word.
  local cur words cword seconds='' flags='' operands=none command
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n : cur words cword
  else
    cur=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
  fi
  COMPREPLY=()
  if [ "$cword" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${firstWords().join(' ')}' -- "$cur"))
    return
  fi
  command=\${words[1]}
  case $command in
${seconds.join('\n')}
  esac
  if [ -n "$seconds" ]; then
    if [ "$cword" -eq 2 ]; then
      COMPREPLY=($(compgen -W "$seconds" -- "$cur"))
      return
    fi
    command="$command \${words[2]}"
  fi
  case $command in
${cases.join('\n')}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *)
      case $operands in
        volume) COMPREPLY=($(compgen -W "$(cairn volumes -q 2>/dev/null)" -- "$cur") $(compgen -f -- "$cur")) ;;
        address) COMPREPLY=($(compgen -W "$(cairn volumes -q 2>/dev/null | sed 's|$|:/|')" -- "$cur") $(compgen -f -- "$cur")) ;;
        command) COMPREPLY=($(compgen -W '${firstWords().join(' ')}' -- "$cur")) ;;
        shell) COMPREPLY=($(compgen -W '${[...shells.keys()].join(' ')}' -- "$cur")) ;;
      esac
      ;;
  esac
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  return 0
}
complete -o nospace -F _cairn cairn
`
}

function zsh(): string {
  return `#compdef cairn
# Completion of cairn for zsh: source <(cairn completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bash()}`
}

function fishText(text: string): string {
  return text.replace(/['\\]/g, '\\$&')
}

function fish(): string {
  const lines = ['# Completion of cairn for fish: cairn completion fish > ~/.config/fish/completions/cairn.fish', 'complete -c cairn -f']
  const first = [...parents.keys(), ...allCommands().flatMap(spec => (spec.name.includes(' ') ? [] : [spec.name, ...(spec.aliases ?? [])]))]
  for (const name of first) {
    const about = parents.get(name) ?? allCommands().find(spec => spec.name === name || spec.aliases?.includes(name))?.about ?? ''
    lines.push(`complete -c cairn -n __fish_use_subcommand -a ${name} -d '${fishText(about)}'`)
  }
  for (const spec of allCommands()) lines.push(...fishCommand(spec))
  return `${lines.join('\n')}\n`
}

function fishCommand(spec: CommandSpec): string[] {
  const [name, second] = spec.name.split(' ')
  const seen = `__fish_seen_subcommand_from ${[name, ...(spec.aliases ?? [])].join(' ')}`
  const when = second === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${second}`
  const lines = second === undefined ? [] : [`complete -c cairn -n '${seen}; and not __fish_seen_subcommand_from ${secondWords(name).join(' ')}' -a ${second}`]
  for (const [flags, about] of [...(spec.options ?? []), ...commonOptions]) {
    const short = /(?:^|\s)-(\w)(?=,|\s|$)/.exec(flags)?.[1]
    const long = /--([\w-]+)/.exec(flags)?.[1]
    lines.push(`complete -c cairn -n '${when}'${short ? ` -s ${short}` : ''}${long ? ` -l ${long}` : ''} -d '${fishText(about)}'`)
  }
  if (spec.completes === 'volume') lines.push(`complete -c cairn -n '${when}' -F -a '(cairn volumes -q 2>/dev/null)'`)
  if (spec.completes === 'address') lines.push(`complete -c cairn -n '${when}' -F -a '(cairn volumes -q 2>/dev/null | string replace -r "\\$" ":/")'`)
  if (spec.completes === 'shell') lines.push(`complete -c cairn -n '${when}' -a '${[...shells.keys()].join(' ')}'`)
  if (spec.completes === 'command') lines.push(`complete -c cairn -n '${when}' -a '${firstWords().join(' ')}'`)
  return lines
}
