// node stalled-child.mjs HOME POINT: writes to the volume w, stops itself (SIGSTOP) at the first pass of a crash point behind the first seal, and goes on when it is let.
import { writeSync } from 'node:fs'
import { FileSystem } from '../../dist/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../dist/node/index.js'
import { onCrashPoint } from '../../dist/sys/index.js'
import { Engine } from '../../dist/volume/engine.js'

const [home, stopAt] = process.argv.slice(2)
const engine = Engine.open({ home })
const volume = engine.openVolume('w')
const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
fs.writeFileSync('/first', Buffer.alloc(300_000, 'first '))
volume.flush()
fs.rmSync('/old')
for (let i = 0; i < 20; i++) fs.writeFileSync(`/later-${i}`, Buffer.alloc(100_000, `later ${i} `))
let stopped = false
onCrashPoint(point => {
  if (point !== stopAt || stopped) return
  stopped = true
  writeSync(1, 'stopped\n')
  process.kill(process.pid, 'SIGSTOP')
})
volume.flush()
onCrashPoint(undefined)
fs.writeFileSync('/last', 'last')
engine.close()
writeSync(1, 'done\n')
