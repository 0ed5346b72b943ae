import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'

/** Middle value, and the spread around it, of several runs. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: median(sorted), min: sorted[0], max: sorted[sorted.length - 1] }
}

/** Runs `work` several times and returns operations per second, each run apart. */
export function rate(runs, operations, work) {
  const rates = []
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    work(i)
    rates.push((operations / (performance.now() - start)) * 1000)
  }
  return spread(rates)
}

export async function rateAsync(runs, operations, work) {
  const rates = []
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    await work(i)
    rates.push((operations / (performance.now() - start)) * 1000)
  }
  return spread(rates)
}

/** Milliseconds of `work`, several runs. */
export async function time(runs, work) {
  const times = []
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    await work(i)
    times.push(performance.now() - start)
  }
  return spread(times)
}

/**
 * Runs `work` several times, `operations` each, and returns rates per second of wall clock and of CPU time (user and system, all threads of this
 * process). On a machine that others load as well, CPU time says more about the code.
 */
export async function rates(runs, operations, work) {
  const wall = []
  const cpu = []
  for (let i = 0; i < runs; i++) {
    const before = process.cpuUsage()
    const start = performance.now()
    const result = work(i)
    if (result instanceof Promise) await result
    wall.push((operations / (performance.now() - start)) * 1000)
    const used = process.cpuUsage(before)
    cpu.push((operations / (used.user + used.system)) * 1e6)
  }
  return { wall: spread(wall), cpu: spread(cpu) }
}

/** Milliseconds of wall clock and of CPU time. */
export async function times(runs, work) {
  const { wall, cpu } = await rates(runs, 1, work)
  const ms = s => ({ median: 1000 / s.median, min: 1000 / s.max, max: 1000 / s.min })
  return { wall: ms(wall), cpu: ms(cpu) }
}

/** Value below which `share` of them lie. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function machine() {
  return `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
}

export function number(value) {
  if (value >= 10000) return Math.round(value).toLocaleString('en')
  if (value >= 100) return String(Math.round(value))
  return value.toPrecision(3)
}

export function sh(command, cwd) {
  return execFileSync('bash', ['-c', command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
}

/** Prints rows as a Markdown table. */
export function table(head, rows) {
  console.log(`| ${head.join(' | ')} |`)
  console.log(`|${head.map(() => '---').join('|')}|`)
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
}

const words = [
  'user',
  'profile',
  'service',
  'controller',
  'index',
  'utils',
  'config',
  'handler',
  'model',
  'schema',
  'router',
  'component',
  'button',
  'header',
  'spec',
  'client',
  'parser',
  'render',
  'session',
  'cache',
]

/** Paths of `count` files from number `first` on, 20 to a directory, four directories deep: names as source trees have them. */
export function* filePaths(count, first = 0) {
  const perLevel = Math.max(2, Math.ceil((count / 20) ** 0.25))
  for (let i = first; i < count; i++) {
    const parts = []
    for (let level = 0, rest = Math.floor(i / 20); level < 4; level++) {
      parts.unshift(`${words[(rest % perLevel) % words.length]}-${rest % perLevel}`)
      rest = Math.floor(rest / perLevel)
    }
    yield `/${parts.join('/')}/${words[i % 20]}-${i.toString(36)}.ts`
  }
}

/** The same as a list, with all their directories, parents first. */
export function paths(count) {
  const files = [...filePaths(count)]
  const directories = new Set()
  for (const file of files) for (let end = file.indexOf('/', 1); end > 0; end = file.indexOf('/', end + 1)) directories.add(file.slice(0, end))
  return { directories: [...directories], files }
}
