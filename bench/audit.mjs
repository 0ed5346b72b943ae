// The audit chain: `node bench/audit.mjs [entries] [runs]`. Needs `npm run build`. Appends, at any length of the chain; a checkpoint with its entry; verifying; an append that is signed.
// BENCH_DIR: where to work. The results go to stdout as Markdown.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyAudit } from '../dist/volume/audit/index.js'
import { Engine } from '../dist/volume/engine.js'
import { spread } from './lib.mjs'

const entries = Number(process.argv[2] ?? 100_000)
const runs = Number(process.argv[3] ?? 9)
const AT_ONCE = 200
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-audit-'))
const event = i => ({
  kind: 'exec',
  exec: `0${i}`.padEnd(26, 'x'),
  argv: ['npm', 'run', 'build', '--', '--mode=production'],
  cwd: '/app',
  decision: { effect: 'allow', rule: 'build' },
  exit: 0,
  durationMs: 1234,
  changes: { created: 3, modified: 12 },
  paths: ['/app/dist/main.js', '/app/dist/main.css'],
  bytes: 123_456,
})
const rows = []

/** Milliseconds of wall clock and of CPU for one of `count`. */
function measure(name, count, work) {
  const wall = []
  const cpu = []
  for (let run = 0; run < runs; run++) {
    const [before, start] = [process.cpuUsage(), performance.now()]
    for (let i = 0; i < count; i++) work(i)
    wall.push((performance.now() - start) / count)
    const { user, system } = process.cpuUsage(before)
    cpu.push((user + system) / 1000 / count)
  }
  const [w, c] = [spread(wall), spread(cpu)]
  rows.push(`| ${name} | ${w.median.toFixed(4)} (${w.min.toFixed(4)}–${w.max.toFixed(4)}) | ${c.median.toFixed(4)} |`)
}

function verified(volume) {
  const steps = verifyAudit(() => volume.state.history)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

function open(name, options = {}) {
  const engine = Engine.open({ home: join(folder, name), ...options })
  engine.create('w')
  return { engine, volume: engine.openVolume('w') }
}

const { engine, volume } = open('home')
measure('append, chain of 0 to 2,000 entries', AT_ONCE, i => volume.audit.append(event(i)))
while (volume.audit.state.sequence < entries) {
  volume.audit.append(...Array.from({ length: 500 }, (_, i) => event(i)))
  if (volume.audit.state.sequence % 10_000 < 500) volume.flush()
}
volume.flush()
measure(`append, chain of ${entries} entries`, AT_ONCE, i => volume.audit.append(event(i)))
measure('checkpoint with its entry', AT_ONCE, () => volume.checkpoint())
measure(`verify ${volume.audit.state.sequence} entries`, 1, () => {
  if (!verified(volume).ok) throw new Error('the chain does not verify')
})
engine.close()
const key = join(folder, 'key.pem')
writeFileSync(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
const signed = open('signed', { auditKeyFile: key })
measure('append, signed', AT_ONCE, i => signed.volume.audit.append(event(i)))
signed.engine.close()
rmSync(folder, { recursive: true, force: true })

console.log(
  `${cpus()[0].model}, ${cpus().length} cores, Linux ${release()}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}; \`node bench/audit.mjs ${entries} ${runs}\`\n`,
)
console.log(`| ms each, median of ${runs} runs (range) | wall clock | CPU |\n|---|---|---|\n${rows.join('\n')}`)
