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

function kept(folder = join(installed, 'dist/bundle')): string[] {
  return readdirSync(folder).filter(name => name.endsWith('.code'))
}

/** The only one. */
function codeFile(folder = join(installed, 'dist/bundle')): string {
  const names = kept(folder)
  expect(names.length).toBe(1)
  return join(folder, names[0])
}

describe('the compiled code of the command line', () => {
  test('is kept by the first run of each command and used by the next', () => {
    expect(cairn('version')).toBe(`${version}\n`)
    const file = codeFile()
    const { mtimeMs } = statSync(file)
    expect(cairn('volumes', '-q')).toBe('')
    expect(kept().length).toBe(2)
    expect(cairn('version')).toBe(`${version}\n`)
    expect(kept().length).toBe(2)
    expect(statSync(file).mtimeMs).toBe(mtimeMs)
  })

  test('is made again when it is damaged', () => {
    cairn('version')
    const file = codeFile()
    const good = readFileSync(file)
    for (const at of [0, 100, good.length >> 1, good.length - 1]) {
      const bytes = Buffer.from(good)
      bytes[at] ^= 0x55
      writeFileSync(file, bytes)
      expect(cairn('version')).toBe(`${version}\n`)
      expect(readFileSync(file).equals(bytes)).toBe(false)
    }
    writeFileSync(file, '')
    expect(cairn('version')).toBe(`${version}\n`)
    expect(statSync(file).size).toBeGreaterThan(1000)
  })

  test('is not run when others may write it', () => {
    cairn('version')
    const file = codeFile()
    const before = statSync(file).ino
    chmodSync(file, 0o666)
    expect(cairn('version')).toBe(`${version}\n`)
    // What was there did not count, so that this is a new file.
    expect(statSync(file).ino).not.toBe(before)
    expect(statSync(file).mode & 0o022).toBe(0)
  })

  test('goes, the oldest first, where there is much of it', () => {
    for (let i = 0; i < 32; i++) {
      const file = join(installed, 'dist/bundle', `old-${i}.code`)
      writeFileSync(file, '')
      utimesSync(file, i + 1, i + 1)
    }
    cairn('version')
    expect(kept().length).toBe(32)
    expect(kept()).not.toContain('old-0.code')
  })

  test('is kept in the folder of the user where the installation is not theirs', () => {
    const home = mkdtempSync(join(tmpdir(), 'cairn-launcher-home-'))
    chmodSync(installed, 0o755)
    chmodSync(join(installed, 'dist/bundle'), 0o555)
    // Root may write everywhere, so that another user has to run it.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
    if (user !== undefined) chownSync(home, user.uid, user.gid)
    const node = join(home, 'node')
    // The folder that Node is installed in may be closed to that user.
    copyFileSync(process.execPath, node)
    chmodSync(node, 0o755)
    const run = () => execFileSync(node, [join(installed, 'bin/cairn'), 'version'], { encoding: 'utf8', env: { HOME: home }, ...user })
    try {
      expect(run()).toBe(`${version}\n`)
      const file = codeFile(join(home, '.cache/cairn'))
      const { mtimeMs } = statSync(file)
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
