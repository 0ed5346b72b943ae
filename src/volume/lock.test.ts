import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { flock, LOCK_EX } from '../sys/libc.js'
import { FileLock } from './lock.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('names who has it, until it is released', () => {
  const path = join(folder, 'lock')
  const lock = FileLock.tryAcquire(path) as FileLock
  expect(FileLock.tryAcquire(path)).toBe(process.pid)
  lock.release()
  const again = FileLock.tryAcquire(path)
  expect(again).toBeInstanceOf(FileLock)
  ;(again as FileLock).release()
})

it('does not take who had it before for who has it: the next one may not have signed yet', () => {
  const path = join(folder, 'lock')
  ;(FileLock.tryAcquire(path) as FileLock).release()
  const others = openSync(path, 'r+')
  expect(flock(others, LOCK_EX)).toBe(0)
  expect(FileLock.tryAcquire(path)).toBe(0)
  writeSync(others, `${process.ppid}      \n`, 0)
  expect(FileLock.tryAcquire(path)).toBe(process.ppid)
  closeSync(others)
})
