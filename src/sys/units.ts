const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const spans: Readonly<Record<string, number>> = { ms: 1, '': 1000, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** Bytes of `512`, `64K`, `1.5GiB` (powers of 1024); `undefined` when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text)
  const size = match === null ? Number.NaN : Math.round(Number(match[1]) * units[match[2].toLowerCase()])
  return Number.isSafeInteger(size) ? size : undefined
}

/** Milliseconds of `500ms`, `2s`, `5m`, `1h`; a bare number is seconds. */
export function parseSpan(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?\s*$/i.exec(text)
  return match === null ? undefined : Number(match[1]) * spans[(match[2] ?? '').toLowerCase()]
}
