import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { diff } from '../../dist/tree/index.js'
import { Engine } from '../../dist/volume/engine.js'
import { openTree } from '../../dist/volume/recovery.js'
import { times } from '../lib.mjs'

function bytesIn(folder) {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) bytes += statSync(join(entry.parentPath ?? entry.path, entry.name)).size
  return bytes
}

export async function versions(report, cairn, fs, { files }, home, runs) {
  let k = 0
  await cairn.flush('bench')
  await cairn.checkpoint('bench', `c${k++}`)
  report.add('checkpoint, nothing changed', await times(2 * runs, () => cairn.checkpoint('bench', `c${k++}`)), 'ms', '≤ 2 ms')
  let changed = 0
  const after = async () => {
    for (let i = 0; i < 10; i++) fs.writeFileSync(files[(i * 97 + changed) % files.length], `changed ${changed++}`)
  }
  const dirty = []
  for (let i = 0; i < 2 * runs; i++) {
    await after()
    dirty.push(await times(1, () => cairn.checkpoint('bench', `c${k++}`)))
  }
  const of = (kind, pick) => dirty.map(one => one[kind][pick]).sort((a, b) => a - b)
  const series = kind => ({ median: of(kind, 'median')[dirty.length >> 1], min: of(kind, 'min')[0], max: of(kind, 'max').at(-1) })
  report.add('checkpoint after 10 changes', { wall: series('wall'), cpu: series('cpu') }, 'ms', '≤ 2 ms')
  await cairn.flush('bench')
  const before = bytesIn(home)
  const forks = 2 * runs
  const fork = await times(forks, () => cairn.fork('bench', undefined, `fork${k++}`))
  report.add('fork', fork, 'ms', '≤ 2 ms')
  report.value('fork, on disk', (bytesIn(home) - before) / forks / 1024, 'KiB', '≤ 1 KiB')
  await cairn.checkpoint('bench', 'before')
  await after()
  await cairn.checkpoint('bench', 'after')
  const side = ref => ({ volume: 'bench', ref })
  report.add('diff of 10 changes', await times(2 * runs, () => cairn.diff(side('before'), side('after'))), 'ms', '≤ 5 ms')
}

/** Pages that a diff looks at, by the engine itself: the public API does not tell. */
export function diffPages(report, home) {
  const engine = Engine.open({ home })
  const volume = engine.openVolume('bench')
  const tree = ref => openTree(volume.context.pages, volume.history.resolve(ref).root)
  const { pagesRead } = diff(tree('before'), tree('after'), () => true)
  report.value('diff of 10 changes, pages read', pagesRead, 'pages', '≤ 200')
  volume.close()
  engine.close()
}
