import { limits } from '../sys/index.js'

/** Which of the hosts that took a volume, one after the other, an epoch belongs to. */
export function strideOf(epoch: number): number {
  return Math.floor(epoch / limits.epochStride)
}

/** The first epoch of whoever takes the volume next. */
export function nextStride(epoch: number): number {
  return (strideOf(epoch) + 1) * limits.epochStride
}
