import { expect, it } from 'vitest'
import { Budget, PartBuffers, partsOf } from './parts.js'

it('lets no more bytes in than there are, in the order of those who came', async () => {
  const budget = new Budget(10)
  let used = 0
  let most = 0
  const order: number[] = []
  const work = (bytes: number, name: number): Promise<void> =>
    budget.with(bytes, async () => {
      order.push(name)
      used += bytes
      most = Math.max(most, used)
      await new Promise(resolve => setImmediate(resolve))
      used -= bytes
    })
  await Promise.all([6, 6, 3, 10, 2, 2, 1].map((bytes, i) => work(bytes, i)))
  expect(most).toBeLessThanOrEqual(10)
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6])
})

it('lets something in that is larger than all of it, and goes on after a failure', async () => {
  const budget = new Budget(10)
  await expect(budget.with(50, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await budget.with(50, async () => 'yes')).toBe('yes')
})

it('takes bytes in memory as parts', async () => {
  const parts = partsOf(Buffer.from('abcdef'))
  expect(parts.size).toBe(6)
  expect(await parts.use(2, 4, async bytes => Buffer.from(bytes).toString())).toBe('cd')
})

it('uses buffers again, but none at the same time, and none that a failure left', async () => {
  const buffers = new PartBuffers(10, 1)
  const memory = async (length: number, fails = false): Promise<ArrayBufferLike> => {
    let found: ArrayBufferLike | undefined
    const work = async (bytes: Buffer): Promise<void> => {
      expect(bytes.length).toBe(length)
      found = bytes.buffer
      await new Promise(resolve => setImmediate(resolve))
      if (fails) throw new Error('no')
    }
    await buffers.with(length, work).catch(() => undefined)
    return found as ArrayBufferLike
  }
  const first = await memory(10)
  expect(await memory(3)).toBe(first)
  const [a, b] = await Promise.all([memory(3), memory(4, true)])
  expect([a === first, b === first]).toEqual([true, false])
  expect(await memory(11)).not.toBe(first)
  expect(await memory(1, true)).toBe(first)
  expect(await memory(1)).not.toBe(first)
})
