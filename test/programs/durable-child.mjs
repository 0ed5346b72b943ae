/** Commits files durably to the volume `ws` of a store, and says so, until it is killed: HOME STORE. */
import { writeSync } from 'node:fs'
import { FileSystem } from '../../dist/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../dist/node/index.js'
import { Engine } from '../../dist/volume/engine.js'

const [home, store] = process.argv.slice(2)
const COMMITS = 12
const engine = Engine.open({ home })
engine.attach('ws', { kind: 'directory', path: store })
const volume = engine.openVolume('ws', { durability: 'remote' })
const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
const first = fs.readdirSync('/').length
for (let i = first; i < first + COMMITS; i++) {
  fs.writeFileSync(`/file-${i}`, `content ${i}`, { flush: true })
  writeSync(1, `${i}\n`)
}
volume.close()
engine.close()
