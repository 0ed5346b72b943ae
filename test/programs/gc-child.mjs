// node gc-child.mjs HOME [ROUNDS]: collects the store of a home, in process, and says so at the start and for each round.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { collect } from '../../dist/history/gc/collect.js'
import { openDirectoryStore } from '../../dist/store/directory/index.js'
import { systemClock, systemRandom } from '../../dist/sys/index.js'

const [home, rounds = '1'] = process.argv.slice(2)
const store = openDirectoryStore(join(home, 'store'))
writeSync(1, '{}\n')
for (let round = 0; round < Number(rounds); round++) {
  const work = collect({ store, storeName: 'dev', home, clock: systemClock, random: systemRandom })
  let step = work.next()
  while (step.done !== true) step = work.next()
  writeSync(1, `${JSON.stringify({ freed: step.value.freedBytes, problems: step.value.problems.length })}\n`)
}
