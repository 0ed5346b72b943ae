import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EBUSY, EINVAL } from '../errors.js'
import { Mounted, whyNoMount } from '../testing/mounted.js'
import { clearStale, isStaleMount, listFuseMounts, unmountFuse } from './mount.js'
import { Op } from './protocol.js'

const reason = whyNoMount()

describe.skipIf(reason !== undefined)(`mounting${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let outside = ''
  beforeEach(() => {
    outside = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-outside-')))
  })
  afterEach(() => rmSync(outside, { recursive: true }))

  it('shows the volume as the source of a mount that has a space in its path', async () => {
    const mounted = await Mounted.start()
    expect(listFuseMounts().find(mount => mount.path === mounted.dir)).toMatchObject({ source: 'test volume', type: 'fuse.cairn', readOnly: false })
    await mounted.stop()
    expect(listFuseMounts().find(mount => mount.path === mounted.dir)).toBeUndefined()
  })

  it('says busy while somebody stands in it, and where nothing is mounted', async () => {
    const mounted = await Mounted.start()
    execFileSync('mkfifo', [`${outside}/pipe`])
    const busy = mounted.sh(`touch ${outside}/there; read -t 20 < ${outside}/pipe`)
    await until(() => existsSync(`${outside}/there`))
    expect(unmountFuse(mounted.dir)).toBe(-EBUSY)
    writeFileSync(`${outside}/pipe`, 'go\n')
    await busy
    expect(unmountFuse(mounted.dir)).toBe(0)
    expect(unmountFuse(mounted.dir)).toBe(-EINVAL)
    await mounted.stop()
  })

  it('tells a mount whose server was killed from one that lives, and clears it', async () => {
    const mounted = await Mounted.start()
    expect((await mounted.sh('stat -f . > /dev/null; echo $?')).out).toBe('0')
    expect(clearStale(mounted.dir)).toBe(false)
    await mounted.kill()
    expect(isStaleMount(mounted.dir)).toBe(true)
    expect(clearStale(mounted.dir)).toBe(true)
    expect(listFuseMounts().some(mount => mount.path === mounted.dir)).toBe(false)
    rmSync(mounted.dir, { recursive: true })
  })

  it('opens, reads and closes without a request on a read-only mount, and refuses changes', async () => {
    const mounted = await Mounted.start({ readOnly: true })
    expect((await mounted.sh('for i in $(seq 50); do cat file; done | sort -u; touch x 2>&1 | grep -c Read-only; rm file 2>&1 | grep -c Read-only')).out).toBe(
      'read me\n1\n1',
    )
    const { counts } = await mounted.stop()
    expect(counts[Op.open]).toBe(1)
    expect(counts[Op.read]).toBe(1)
    expect(counts[Op.release]).toBeUndefined()
    expect(counts[Op.flush]).toBeLessThanOrEqual(1)
  })

  it("asks nothing twice: names, missing names, attributes and content are the kernel's", async () => {
    const mounted = await Mounted.start()
    await mounted.sh('echo x > f; cat f; stat f missing; ls')
    await mounted.sh('for i in $(seq 20); do stat f missing; ls; done')
    const { counts } = await mounted.stop()
    expect(counts[Op.lookup]).toBeLessThanOrEqual(3)
    expect(counts[Op.opendir]).toBe(1)
  })

  it('makes a file in five requests, and another asks neither about the folder nor on closing', async () => {
    const mounted = await Mounted.start()
    await mounted.sh('for i in $(seq 20); do echo x > f$i; done; cat f*')
    const { counts } = await mounted.stop()
    expect(counts[Op.create]).toBe(20)
    expect(counts[Op.write]).toBe(20)
    expect(counts[Op.getattr] ?? 0).toBeLessThan(5)
    // Once for each new file: whether a write takes a capability away.
    expect(counts[Op.getxattr] ?? 0).toBeLessThanOrEqual(20)
    expect(counts[Op.flush]).toBe(1)
  })

  it('tells root what may be executed', async () => {
    const mounted = await Mounted.start()
    const { out } = await mounted.sh(
      'echo true > f; test -x f; echo $?; ./f 2> /dev/null; echo $?; chmod 700 f; test -x f; echo $?; test -w f; echo $?; test -r missing; echo $?',
    )
    await mounted.stop()
    expect(out).toBe('1\n126\n0\n0\n1')
  })

  it('pushes changes from elsewhere to the kernel', async () => {
    const commands = join(outside, 'commands')
    const mounted = await Mounted.start({ commands })
    const elsewhere = async (lines: string): Promise<void> => {
      writeFileSync(`${commands}.new`, lines)
      execFileSync('mv', [`${commands}.new`, commands])
      await until(() => !existsSync(commands))
    }
    expect((await mounted.sh('echo one > f; cat f; ls; cat new 2>&1 | grep -c "No such"')).out).toBe('one\nf\n1')
    await elsewhere('mknod new\nwrite new hello\nwrite f three')
    expect((await mounted.sh('cat new; echo; cat f; ls; stat -c %s f')).out).toBe('hello\nthreef\nnew\n5')
    await elsewhere('unlink f')
    expect((await mounted.sh('cat f 2>&1 | grep -c "No such"; ls')).out).toBe('1\nnew')
    await mounted.stop()
  })

  it('shares a sync among those who wait for it, and does a lone one in place', async () => {
    const mounted = await Mounted.start({ journal: join(outside, 'journal') })
    const program = `
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for i in range(100): os.write(fd, b"x"); os.fsync(fd)`
    writeFileSync(join(outside, 'sync.py'), program)
    await mounted.sh(`python3 ${outside}/sync.py alone`)
    const { out } = await mounted.sh(`for i in 1 2 3 4 5 6 7 8; do python3 ${outside}/sync.py f$i & done; wait; stat -c %s f1 f8`)
    expect(out).toBe('100\n100')
    const { counts, inlineSyncs, syncRounds } = await mounted.stop()
    expect(counts[Op.fsync]).toBe(900)
    expect(inlineSyncs).toBeGreaterThanOrEqual(99)
    expect(syncRounds).toBeGreaterThan(0)
    expect(inlineSyncs + syncRounds).toBeLessThanOrEqual(900)
  })

  it('mounts for an ordinary user through fusermount3', async () => {
    if (process.getuid?.() !== 0) return
    // fusermount3 wants a user that has a name.
    const uid = Number(execFileSync('id', ['-u', 'nobody']))
    const dist = new URL('../../dist/fuse/index.js', import.meta.url).href
    const program = `
process.setgid(${uid}); process.setuid(${uid})
const { mountFuse, unmountFuse, listFuseMounts } = await import(${JSON.stringify(dist)})
const dir = ${JSON.stringify(join(outside, 'user mount'))}
try { mountFuse({ path: dir, name: 'a,b volume' }) } catch (error) { console.log(error.code + ' ' + error.message); process.exit(0) }
console.log(JSON.stringify(listFuseMounts().filter(mount => mount.path === dir).map(mount => mount.source)), unmountFuse(dir), unmountFuse(dir))`
    chmodSync(outside, 0o755)
    execFileSync('install', ['-d', '-o', String(uid), join(outside, 'user mount')])
    // In a namespace of its own, where everybody may open the device, as on most machines.
    const script = `mknod -m 666 ${outside}/fuse c 10 229 && mount --bind ${outside}/fuse /dev/fuse && exec ${process.execPath} --input-type=module -e "$0"`
    const out = execFileSync('unshare', ['-m', 'sh', '-c', script, program], { encoding: 'utf8' })
    expect(out.trim()).toBe(`["a,b volume"] 0 ${-EINVAL}`)
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}
