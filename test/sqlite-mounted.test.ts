import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MountedHome, run, whyNoMount } from './support/mounted-home.js'

let hosts: MountedHome[]
let file: string

beforeEach(() => {
  hosts = []
  file = join(host().scratch, 'ws.cairn')
})

afterEach(async () => {
  for (const one of hosts) await one.end()
})

function host(): MountedHome {
  const made = new MountedHome({ CAIRN_IDLE_MS: '2000' })
  hosts.push(made)
  return made
}

const init = (on: MountedHome, path = file): Promise<string> => on.must('init', 'w', '--store', `sqlite://${path}`)

const sh = async (cwd: string, command: string): Promise<string> => {
  const { code, output } = await run('/bin/sh', ['-ec', command], { cwd })
  expect(code, `${command}: ${output}`).toBe(0)
  return output
}

const parts = (): string[] => readdirSync(join(file, '..')).filter(name => name.startsWith('ws.cairn'))

describe.skipIf(whyNoMount() !== undefined)('a mounted volume in a SQLite file', () => {
  it('outlives its server, then all that serves it, and goes on under another home', async () => {
    const [a, b] = [hosts[0], host()]
    await init(a)
    await a.mount()
    await mkdir(join(a.mountpoint, 'src'))
    for (let i = 0; i < 100; i++) await writeFile(join(a.mountpoint, 'src', `${i}.txt`), `file ${i}\n`.repeat(i * 50))
    await sh(a.mountpoint, 'git init -q . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm first')
    await a.killServer()
    await sh(a.mountpoint, 'git fsck --strict && echo more > more.txt')
    await init(b)
    const refused = await b.cairn('mount', 'w', b.mountpoint)
    expect(refused).toMatchObject({ code: 1, output: expect.stringMatching(/is written by .* since/) })
    await writeFile(join(a.mountpoint, 'last'), 'written just before the end')
    await a.killBoth()
    // Its home is gone, too.
    rmSync(a.home, { recursive: true })
    await b.mount()
    expect(await readFile(join(b.mountpoint, 'last'), 'utf8')).toBe('written just before the end')
    expect(await sh(b.mountpoint, 'git fsck --strict && git status --porcelain')).toMatch(/last[\s\S]*more\.txt/)
    for (let i = 0; i < 100; i++) expect(await readFile(join(b.mountpoint, 'src', `${i}.txt`), 'utf8')).toBe(`file ${i}\n`.repeat(i * 50))
    await b.must('unmount', 'w')
    await b.must('lease', 'release', 'w')
  })

  it('is the one file after a flush while it is mounted, and after unmounting', async () => {
    const [a, b] = [hosts[0], host()]
    await init(a)
    await a.mount()
    await sh(a.mountpoint, 'for i in 1 2 3 4 5 6 7 8 9; do head -c 300000 /dev/urandom > f$i; done; sha256sum f* > sums')
    await a.must('flush', 'w')
    const copy = join(b.scratch, 'copy.cairn')
    copyFileSync(file, copy)
    await init(b, copy)
    expect(await b.must('cat', 'w:/sums')).toBe(readFileSync(join(a.mountpoint, 'sums'), 'utf8'))
    await b.mount()
    await sh(b.mountpoint, 'sha256sum -c sums')
    await b.must('unmount', 'w')
    const bundle = join(b.scratch, 'live.bundle')
    await writeFile(join(a.mountpoint, 'later'), 'l')
    await a.must('backup', 'w', bundle)
    await b.must('unbundle', bundle, 'w2')
    expect(await b.must('cat', 'w2:/later')).toBe('l')
    await a.must('unmount', 'w')
    await a.must('lease', 'release', 'w')
    if (parts().length > 1) expect(statSync(`${file}-wal`).size).toBe(0)
    expect(JSON.parse(await a.must('status', 'w', '--json')).volumes[0].remote).toMatchObject({ unpublishedBytes: 0, isWriter: false })
  })
})
