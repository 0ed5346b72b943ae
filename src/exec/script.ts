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

/** Control groups to enter: their files, or descriptors from a number on, which are closed then. */
export type Entering = readonly string[] | Descriptors

interface Descriptors {
  firstFd: number
  count: number
}

/** Enters control groups, by the files that come first, and the number of them before. */
const ENTERING = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n - 1)); done'

/** Arguments of `sh` that end in those of a program. */
function shell(lines: string, groups: Entering, words: readonly string[]): string[] {
  if ('firstFd' in groups) return ['-c', [...enteringBy(groups), lines].join('; '), 'sh', ...words]
  return groups.length === 0 ? ['-c', lines, 'sh', ...words] : ['-c', `${ENTERING}; ${lines}`, 'sh', `${groups.length}`, ...groups, ...words]
}

function enteringBy({ firstFd, count }: Descriptors): string[] {
  return Array.from({ length: count }, (_, i) => `{ echo 0 >&${firstFd + i}; } || exit 125; exec ${firstFd + i}>&-`)
}

/** Arguments of `sh` with which it becomes a program, bounded and in these control groups. */
export function becoming(limits: ResourceLimits, groups: Entering, words: readonly string[]): string[] {
  return shell(`${limitLines(limits)}; exec "$@"`, groups, words)
}

/** The same by `native/start.c`, which is open at a descriptor. */
export function becomingBy(
  fd: number,
  { memoryBytes = -1, cpuSeconds = -1, processes = -1 }: ResourceLimits,
  groups: Descriptors,
  words: readonly string[],
): string[] {
  const entered = Array.from({ length: groups.count }, (_, i) => groups.firstFd + i)
  const numbers = [fd, 2, 0, memoryBytes, Math.ceil(cpuSeconds), processes, groups.count, ...entered]
  return [`/proc/self/fd/${fd}`, ...numbers.map(String), ...words]
}

/**
 * The same for the first process of a namespace, which could not be the command itself, because signals mean other things there: it runs the command and ends
 * with it. What the shell would say of a signal goes nowhere.
 */
export function running(limits: ResourceLimits, groups: readonly string[], words: readonly string[]): string[] {
  return shell(`${limitLines(limits)}; exec 9>&2 2>/dev/null; (exec "$@" 2>&9 9>&-); exit $?`, groups, words)
}
