import type { ResourceLimits } from './types.js'

/** Lines of sh that bound the process that runs them and all that it starts. What a system cannot bound is left as it is. */
export function limitLines({ memoryBytes, cpuSeconds, processes }: ResourceLimits): string {
  const lines = ['ulimit -c 0']
  if (memoryBytes !== undefined) lines.push(`ulimit -v ${Math.ceil(memoryBytes / 1024)}`)
  if (cpuSeconds !== undefined) lines.push(`ulimit -t ${Math.ceil(cpuSeconds)}`)
  // Shells do not agree on the letter.
  if (processes !== undefined) lines.push(`{ ulimit -u ${processes} || ulimit -p ${processes}; }`)
  return `{ ${lines.join('; ')}; } 2>/dev/null`
}

/** Becomes the command, bounded. */
export function becoming(limits: ResourceLimits): string {
  return `${limitLines(limits)}; exec "$@"`
}

/**
 * Runs the command and ends with it: for the first process of a namespace, which could not be the command itself, because signals
 * mean other things there. What the shell would say of a signal goes nowhere.
 */
export function running(limits: ResourceLimits): string {
  return `${limitLines(limits)}; exec 9>&2 2>/dev/null; (exec "$@" 2>&9 9>&-); exit $?`
}

/** Enters control groups, by the files whose number comes first, then becomes the rest. */
export const ENTERING = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n - 1)); done; exec "$@"'
