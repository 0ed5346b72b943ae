// Records events until it is killed; prints the tip of each as it was acknowledged.
import { Engine } from '../../dist/volume/engine.js'

const [home] = process.argv.slice(2)
const engine = Engine.open({ home })
const volume = engine.openVolume('w')
for (let i = 0; ; i++) {
  const { sequence, hash } = volume.audit.append({ kind: 'exec', exec: `run-${i}`, shell: 'x'.repeat((i * 37) % 5000), exit: 0 })
  process.stdout.write(`${sequence}:${hash}\n`)
  if (i % 50 === 49) volume.flush()
}
