import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { limits } from '../sys/index.js'
import { answered } from './status.js'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

const HOME = '/nonexistent/home'

it('waits for a server that tells of one volume after the other, however long all of them take', async () => {
  const report = answered(HOME, async heard => {
    for (let i = 0; i < 3; i++) {
      await new Promise(resolve => setTimeout(resolve, limits.statusAnswerMs - 1))
      heard()
    }
    return 'all'
  })
  await vi.advanceTimersByTimeAsync(3 * limits.statusAnswerMs)
  await expect(report).resolves.toBe('all')
})

it('says that a server is silent from which nothing comes', async () => {
  const report = answered(HOME, () => new Promise(() => {}))
  const failed = expect(report).rejects.toMatchObject({ code: 'ERR_SERVER_SILENT' })
  await vi.advanceTimersByTimeAsync(limits.statusAnswerMs)
  await failed
})
