import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliRun, launcher } from './cli-run.js'

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
})
afterAll(() => run.remove())

describe('bin/cairn', () => {
  test('exit codes: 0, 1 for a failure, 2 for a mistake of usage', async () => {
    expect(await run.spawned(['ls', 'work'])).toEqual({ code: 0, out: '', err: '' })
    expect((await run.spawned(['ls', 'work:/none'])).code).toBe(1)
    expect((await run.spawned(['lss'])).code).toBe(2)
  })

  test('a listing loads no module of Node that it does not need: each costs milliseconds', () => {
    const tell = run.path('tell.cjs')
    writeFileSync(tell, 'process.on("exit", () => console.error(process.moduleLoadList.join("\\n")))')
    const { stdout, stderr } = spawnSync(process.execPath, ['--require', tell, launcher, 'ls', 'work:/'], { env: run.env, encoding: 'utf8' })
    expect(stdout).toBe('')
    const loaded = new Set(stderr.split('\n').map(line => line.replace(/^NativeModule /, '')))
    expect(loaded).toContain('crypto')
    for (const module of ['child_process', 'fs/promises', 'http', 'readline']) expect(loaded).not.toContain(module)
  })

  test('a mistake shows no stack trace, unless it is asked for', async () => {
    expect((await run.spawned(['ls', 'nope'])).err).not.toMatch(/\n {4}at /)
    expect((await run.spawned(['ls', 'nope'], { env: { CAIRN_DEBUG: '1' } })).err).toMatch(/\n {4}at /)
  })

  test('what is printed to a file has no colours', async () => {
    await run.ok('mkdir', '-p', 'work:/d')
    expect((await run.spawned(['ls', 'work'])).out).toBe('d\n')
  })

  test('a pipe that does not block and is full gets all of it', async () => {
    await run.fed(Buffer.alloc(1024 * 1024, 'line\n'), 'write', 'work:/lines')
    const program = [
      'import os, subprocess, sys, time',
      'r, w = os.pipe(); os.set_blocking(w, False)',
      'child = subprocess.Popen(sys.argv[1:], stdout=w); os.close(w)',
      'total = 0',
      'while True:',
      '  part = os.read(r, 1000)',
      '  if not part: break',
      '  total += len(part)',
      'print(total, child.wait())',
    ]
    const args = ['-c', program.join('\n'), process.execPath, launcher, 'cat', 'work:/lines']
    const { stdout } = spawnSync('python3', args, { env: run.env, encoding: 'utf8' })
    expect(stdout).toBe(`${1024 * 1024} 0\n`)
  })

  test('a reader that goes away is no failure', async () => {
    await run.fed(Buffer.alloc(8 * 1024 * 1024, 'line\n'), 'write', 'work:/long')
    const child = spawn(process.execPath, [launcher, 'cat', 'work:/long'], { env: run.env, stdio: ['ignore', 'pipe', 'pipe'] })
    let err = ''
    child.stderr.on('data', text => (err += text))
    child.stdout.once('data', () => child.stdout.destroy())
    const [code] = await once(child, 'close')
    expect([code, err]).toEqual([0, ''])
  })

  test('runs when it is linked from elsewhere, as npm installs it', async () => {
    symlinkSync(launcher, run.path('cairn'))
    const child = spawn(run.path('cairn'), ['version'], { env: run.env, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', text => (out += text))
    await once(child, 'close')
    expect(out.trim()).toBe(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version)
  })

  test('says what to do when nothing is built', async () => {
    cpSync(new URL('../bin', import.meta.url), run.path('checkout/bin'), { recursive: true })
    cpSync(new URL('../package.json', import.meta.url), run.path('checkout/package.json'))
    const child = spawn(process.execPath, [run.path('checkout/bin/cairn'), 'ls'], { env: run.env, stdio: ['ignore', 'inherit', 'pipe'] })
    let err = ''
    child.stderr.on('data', text => (err += text))
    const [code] = await once(child, 'close')
    expect([code, err]).toEqual([1, expect.stringMatching(/^cairn: .*dist\/ is missing\. Run `npm ci`.*\n$/)])
  })
})
