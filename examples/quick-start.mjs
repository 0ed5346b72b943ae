// A volume in process: write, checkpoint, change, look back, fork. No mount and no server are needed.
// Run it in a checkout after `npm ci`: node examples/quick-start.mjs
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from 'cairnfs'

const home = await mkdtemp(join(tmpdir(), 'cairn-example-'))
const cairn = await Cairn.open({ home })
try {
  await cairn.ensureVolume({ name: 'agent', dev: true })
  const volume = await cairn.open('agent')
  const fs = volume.fs.promises

  await fs.mkdir('/notes')
  await fs.writeFile('/notes/plan.md', '1. look\n2. think\n')
  await cairn.checkpoint('agent', 'planned', { message: 'before the work' })

  await fs.appendFile('/notes/plan.md', '3. act\n')
  await fs.writeFile('/result.txt', 'done\n')
  for (const change of await cairn.diff({ volume: 'agent', ref: 'planned' }, { volume: 'agent' })) {
    console.log(change.kind, change.path)
  }

  // The past, read-only.
  const past = await cairn.open('agent', { ref: 'planned' })
  console.log('planned:', (await past.fs.promises.readdir('/')).join(' '))
  await past.close()

  // A second attempt from the same point; it shares every byte and changes nothing of the first.
  await cairn.fork('agent', 'planned', 'second-try')
  const fork = await cairn.open('second-try')
  await fork.fs.promises.writeFile('/result.txt', 'done otherwise\n')
  console.log('agent:', (await fs.readFile('/result.txt', 'utf8')).trim())
  console.log('second-try:', (await fork.fs.promises.readFile('/result.txt', 'utf8')).trim())
  await fork.close()
  await volume.close()
} finally {
  await cairn.close()
  await rm(home, { recursive: true })
}
