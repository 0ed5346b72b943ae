import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

/** What an installation has, with a bundle and no compiled code yet. */
let installed: string

beforeEach(() => {
  installed = mkdtempSync(join(tmpdir(), 'cairn-launcher-'))
  mkdirSync(join(installed, 'dist/cli'), { recursive: true })
  mkdirSync(join(installed, 'dist/bundle'))
  cpSync(join(root, 'bin'), join(installed, 'bin'), { recursive: true })
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'))
  copyFileSync(join(root, 'dist/cli/main.js'), join(installed, 'dist/cli/main.js'))
  copyFileSync(join(root, 'dist/bundle/cairn.cjs'), join(installed, 'dist/bundle/cairn.cjs'))
  symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'))
})

afterEach(() => rmSync(installed, { recursive: true, force: true }))

function cairn(...args: string[]): string {
  return execFileSync(process.execPath, [join(installed, 'bin/cairn'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: installed, CAIRN_HOME: join(installed, 'home') },
  })
}

function codeFile(folder = join(installed, 'dist/bundle')): string {
  const [name] = readdirSync(folder).filter(one => one.endsWith('.code'))
  return join(folder, name)
}

const commandsIn = (file: string) => (JSON.parse(readFileSync(file, 'latin1').split('\n')[0]) as { commands: string[] }).commands

describe('the compiled code of the command line', () => {
  test('is kept by the first run of each command and used by the next', () => {
    expect(cairn('version')).toBe(`${version}\n`)
    expect(commandsIn(codeFile())).toEqual(['version'])
    expect(cairn('volumes', '-q')).toBe('')
    expect(commandsIn(codeFile())).toEqual(['version', 'volumes'])
    expect(cairn('version')).toBe(`${version}\n`)
    expect(commandsIn(codeFile())).toEqual(['version', 'volumes'])
  })

  test('is made again when it is damaged', () => {
    cairn('version')
    const file = codeFile()
    const good = readFileSync(file)
    for (const at of [good.indexOf(10) + 100, good.length >> 1, good.length - 1]) {
      const bytes = Buffer.from(good)
      bytes[at] ^= 0x55
      writeFileSync(file, bytes)
      expect(cairn('version')).toBe(`${version}\n`)
      expect(readFileSync(file).equals(bytes)).toBe(false)
    }
    writeFileSync(file, '')
    expect(cairn('version')).toBe(`${version}\n`)
    expect(commandsIn(file)).toEqual(['version'])
  })

  test('is not run when others may write it', () => {
    cairn('version')
    chmodSync(codeFile(), 0o666)
    expect(cairn('volumes', '-q')).toBe('')
    // What was there did not count, so that this is a new file.
    expect(commandsIn(codeFile())).toEqual(['volumes'])
  })

  test('is kept in the folder of the user where the installation is not theirs', () => {
    const home = mkdtempSync(join(tmpdir(), 'cairn-launcher-home-'))
    chmodSync(installed, 0o755)
    chmodSync(join(installed, 'dist/bundle'), 0o555)
    // Root may write everywhere, so that another user has to run it.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
    if (user !== undefined) chownSync(home, user.uid, user.gid)
    const run = () => execFileSync(process.execPath, [join(installed, 'bin/cairn'), 'version'], { encoding: 'utf8', env: { HOME: home }, ...user })
    try {
      expect(run()).toBe(`${version}\n`)
      const file = codeFile(join(home, '.cache/cairn'))
      const { mtimeMs } = statSync(file)
      expect(commandsIn(file)).toEqual(['version'])
      expect(run()).toBe(`${version}\n`)
      expect(statSync(file).mtimeMs).toBe(mtimeMs)
    } finally {
      chmodSync(join(installed, 'dist/bundle'), 0o755)
      rmSync(home, { recursive: true, force: true })
    }
  })
})

describe('a bundle that is older than what it was made of', () => {
  test('is passed over', () => {
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true })
    writeFileSync(join(installed, 'dist/bundle/cairn.cjs'), 'throw new Error("old")')
    utimesSync(join(installed, 'dist/bundle/cairn.cjs'), 0, 0)
    expect(cairn('version')).toBe(`${version}\n`)
  })
})
