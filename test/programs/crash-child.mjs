// node crash-child.mjs HOME SEED COUNT [SQLITE]: runs the workload and says the number of each operation that was acknowledged.
import { writeSync } from 'node:fs'
import { FileSystem } from '../../dist/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../dist/node/index.js'
import { Engine } from '../../dist/volume/engine.js'
import { applyToVolume, operations } from './workload.mjs'

const [home, seed, count, sqlite = ''] = process.argv.slice(2)
const make = session => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
const engine = Engine.open({ home })
if (sqlite === '') engine.create('w')
else engine.attach('w', { kind: 'sqlite', path: sqlite })
const volume = engine.openVolume('w')
writeSync(1, 'made\n')
const fs = make(volume.session)
let i = 0
for (const step of operations(Number(seed), Number(count))) {
  applyToVolume(engine, volume, fs, make, step)
  writeSync(1, `${i++}\n`)
}
engine.close()
