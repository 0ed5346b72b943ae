const suffixes = ['', 'K', 'M', 'G', 'T', 'P']

/** 1.5K, 23M: powers of 1024, rounded up, as `ls -h`. */
export function humanSize(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < suffixes.length - 1) {
    value /= 1024
    unit++
  }
  if (unit === 0) return String(bytes)
  const tenths = Math.ceil(value * 10) / 10
  if (tenths < 10) return `${tenths.toFixed(1)}${suffixes[unit]}`
  const whole = Math.ceil(value)
  return whole >= 1024 && unit < suffixes.length - 1 ? `1.0${suffixes[unit + 1]}` : `${whole}${suffixes[unit]}`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const halfYearMs = 182 * 86_400_000

const two = (n: number): string => String(n).padStart(2, '0')

/** `Nov 20 10:00`, or with the year when it is over half a year away, as `ls -l`. Local time. */
export function listTime(timeMs: number, nowMs: number): string {
  const date = new Date(timeMs)
  const day = `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`
  const recent = timeMs <= nowMs + 86_400_000 && nowMs - timeMs < halfYearMs
  return recent ? `${day} ${two(date.getHours())}:${two(date.getMinutes())}` : `${day}  ${date.getFullYear()}`
}

/** `2026-11-20 10:00:05`, local time. */
export function fullTime(timeMs: number): string {
  const d = new Date(timeMs)
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

/** The same with nanoseconds, from nanoseconds since the epoch. */
export function exactTime(timeNs: bigint): string {
  const nanos = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return `${fullTime(Number((timeNs - nanos) / 1_000_000n))}.${String(nanos).padStart(9, '0')}`
}

/** `0.4 ms`, `12 ms`, `3.21 s`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`
}

/** `3 minutes ago`. */
export function ago(timeMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - timeMs) / 1000))
  const steps: ReadonlyArray<readonly [number, string]> = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ]
  for (const [length, unit] of steps) if (seconds >= length) return plural(Math.floor(seconds / length), unit, ' ago')
  return plural(seconds, 'second', ' ago')
}

/** `1 file`, `2 files`. */
export function plural(n: number, unit: string, after = ''): string {
  return `${n} ${unit}${n === 1 ? '' : 's'}${after}`
}

/** Characters that would move the cursor or end the line show as `?`, as `ls` does on a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

/** Rows with columns of equal width; numbers to the right. */
export function table(rows: ReadonlyArray<readonly string[]>, right: ReadonlySet<number> = new Set()): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows.map(row => row.map((cell, i) => (right.has(i) ? cell.padStart(widths[i]) : i === row.length - 1 ? cell : cell.padEnd(widths[i]))).join('  '))
}

/** Names in columns from top to bottom, in at most `width` characters. */
export function inColumns(names: readonly string[], width: number, paint: (name: string) => string = name => name): string[] {
  for (let rows = 1; rows < names.length; rows++) {
    const widths: number[] = []
    for (let at = 0; at < names.length; at += rows) widths.push(Math.max(...names.slice(at, at + rows).map(name => name.length)) + 2)
    if (widths.reduce((sum, one) => sum + one, 0) - 2 > width) continue
    return Array.from({ length: rows }, (_, row) => {
      let line = ''
      for (let column = 0; column * rows + row < names.length; column++) {
        const name = names[column * rows + row]
        const last = (column + 1) * rows + row >= names.length
        line += paint(name) + (last ? '' : ' '.repeat(widths[column] - name.length))
      }
      return line
    })
  }
  return names.map(paint)
}
