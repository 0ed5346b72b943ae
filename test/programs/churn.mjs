// A home with something to collect, and work that goes on beside a collector: used by the tests of collection, in children and in the parent.
import { FileSystem } from '../../dist/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../dist/node/index.js'
import { Engine } from '../../dist/volume/engine.js'
import { fill, generator } from './workload.mjs'

export const shape = session => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))

/** Names without versions, so that what is replaced can go. */
const nameOf = n => `/f${n}-wal`

/** Writes, removes, seals, checkpoints and forks volume `w`; returns what its files are then, by name. */
export function churn(engine, seed, steps, files = new Map()) {
  const next = generator(seed)
  const volume = engine.openVolume('w')
  const fs = shape(volume.session)
  for (let i = 0; i < steps; i++) {
    const n = next(24)
    const kind = next(10)
    if (kind < 6) {
      const content = { size: 1000 + next(200_000), seed: next(250) }
      fs.writeFileSync(nameOf(n), fill(content))
      files.set(nameOf(n), content)
    } else if (kind < 8) {
      fs.rmSync(nameOf(n), { force: true })
      files.delete(nameOf(n))
    } else if (kind === 8) volume.flush()
    else volume.checkpoint(`c${seed}-${i}`)
  }
  volume.flush()
  return files
}

/** What is not as it should be in volume `name`: nothing when all is well. */
export function differences(engine, name, files) {
  const volume = engine.openVolume(name)
  const fs = shape(volume.session)
  const found = []
  for (const finding of volume.fsck().findings) found.push(`${finding.object}: ${finding.problem}`)
  const names = fs.readdirSync('/').map(file => `/${file}`)
  for (const file of names) if (!files.has(file)) found.push(`${file} is there`)
  for (const [file, content] of files) if (!names.includes(file) || !fs.readFileSync(file).equals(fill(content))) found.push(`${file} differs`)
  volume.close()
  return found
}

export const openEngine = home => Engine.open({ home })
