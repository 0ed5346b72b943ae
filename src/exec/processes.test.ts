import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { descendantsOf, isAnyStarting, isGone, nowInTicks, processesWith } from './processes.js'

it.skipIf(process.platform !== 'linux')('tells processes by their environment, and those that have none yet', async () => {
  const mark = `PROCESSES_MARK=${process.pid}`
  const since = nowInTicks()
  // What becomes another program has an empty environment for a moment; this one for as long as it lives.
  const child = spawn('sh', ['-c', 'env -i sleep 1000 & echo; wait'], { env: { PATH: '/usr/bin:/bin', PROCESSES_MARK: `${process.pid}` } })
  await once(child.stdout, 'data')
  const pid = child.pid as number
  expect(processesWith(mark)).toContain(pid)
  expect(descendantsOf(pid)).toHaveLength(1)
  while (processesWith(mark).length > 1) await new Promise(resolve => setImmediate(resolve))
  expect([isAnyStarting(since), isGone(pid)]).toEqual([true, false])
  expect(isAnyStarting(nowInTicks() + 1000)).toBe(false)
  for (const one of [...descendantsOf(pid), pid]) process.kill(one, 'SIGKILL')
  await once(child, 'exit')
  expect([processesWith(mark), isGone(pid)]).toEqual([[], true])
})
