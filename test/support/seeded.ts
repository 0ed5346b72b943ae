/** Numbers from 0 up to `below`, the same for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let x = (seed * 2654435761 + 1) >>> 0
  return below => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return Math.floor((x / 4294967296) * below)
  }
}
