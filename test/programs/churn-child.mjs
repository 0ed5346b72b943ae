// node churn-child.mjs HOME SEED: works in a home until it is killed or its stdin ends: rounds of changes, forks and deletions of forks. Says
// what it acknowledged, a line of JSON each: {round, files} for volume w, {fork, files} for a fork.
import { writeSync } from 'node:fs'
import { churn, differences, openEngine } from './churn.mjs'

const [home, seed, rounds = '1000000'] = process.argv.slice(2)
const say = value => writeSync(1, `${JSON.stringify(value)}\n`)
const engine = openEngine(home)
if (engine.volumes().length === 0) engine.create('w')
const files = new Map()
const forks = new Map()
let ended = false
process.stdin.on('end', () => {
  ended = true
})
process.stdin.resume()

async function work() {
  for (let round = 0; round < Number(rounds) && !ended; round++) {
    churn(engine, Number(seed) * 1000 + round, 25, files)
    say({ round, files: [...files] })
    const name = `fork${round}`
    engine.fork('w', undefined, name)
    forks.set(name, new Map(files))
    say({ fork: name, files: [...files] })
    const wrong = differences(engine, name, forks.get(name))
    if (wrong.length > 0) throw new Error(`fork ${name}: ${wrong.join('; ')}`)
    if (forks.size > 3) {
      const oldest = forks.keys().next().value
      engine.remove(oldest, { now: true })
      forks.delete(oldest)
      say({ removed: oldest })
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const [name, expected] of [...forks, ['w', files]]) {
    const wrong = differences(engine, name, expected)
    if (wrong.length > 0) throw new Error(`${name}: ${wrong.join('; ')}`)
  }
  engine.close()
  say({ ended: true })
  process.exit(0)
}

await work()
