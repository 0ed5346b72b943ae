import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const largestBytes = 1024 * 1024

/** What git tracks and is there now: a file deleted but not yet committed does not count. */
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(path => path !== '' && existsSync(join(root, path)))

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Written in parts, so that this file does not hold what it looks for. */
const hosts = new RegExp(
  [
    ['registry', 'npmjs', 'org'],
    ['registry', 'yarnpkg', 'com'],
    ['npm', 'pkg', 'github', 'com'],
    ['npm', 'jsr', 'io'],
  ]
    .map(parts => parts.join('\\.'))
    .join('|'),
)
/** A folder at the top of a machine; `~/work/` and `src/root/` are other things. */
const machineFolders = /(?<![\w~.}\])])\/(?:work|root)\//

function isText(path: string): boolean {
  return !readFileSync(join(root, path)).subarray(0, 8192).includes(0)
}

/** `path:line` of every line of a tracked text file that matches. */
function linesLike(pattern: RegExp): string[] {
  const found: string[] = []
  for (const path of tracked.filter(isText)) {
    read(path)
      .split('\n')
      .forEach((line, at) => {
        if (pattern.test(line)) found.push(`${path}:${at + 1}`)
      })
  }
  return found
}

/** Targets of links in Markdown outside code, without anchors and web addresses. */
function relativeLinks(markdown: string): string[] {
  const prose = markdown.replace(/^ *```[\s\S]*?^ *```/gm, '').replace(/`[^`\n]*`/g, '')
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)]
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s*<?([^\s>]+)/gm)]
  return [...inline, ...references]
    .map(match => match[1])
    .filter(target => !/^[a-z][a-z0-9+.-]*:/i.test(target) && !target.startsWith('#'))
    .map(target => decodeURI(target.replace(/#.*$/, '')))
}

describe('the repository', () => {
  test.each([
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'ARCHITECTURE.md',
    'docs/README.md',
    'docs/guarantees.md',
    'docs/format.md',
  ])('has %s', path => {
    expect(tracked).toContain(path)
  })

  test('is under the licence that package.json names', () => {
    expect(JSON.parse(read('package.json')).license).toBe('Apache-2.0')
    expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0, January 2004/)
    expect(read('LICENSE')).toContain('END OF TERMS AND CONDITIONS')
  })

  test('has the version of package.json in the change log', () => {
    expect(read('CHANGELOG.md')).toContain(`## ${JSON.parse(read('package.json')).version}`)
  })

  test('has a lock file that installs from whatever registry npm is set to', () => {
    const lock: { packages: Record<string, object> } = JSON.parse(read('package-lock.json'))
    const bound = Object.entries(lock.packages).filter(([, entry]) => 'resolved' in entry)
    expect(bound.map(([name]) => name)).toEqual([])
    // The addresses that remain are where authors ask for funds.
    const addresses = read('package-lock.json')
      .split('\n')
      .filter(line => line.includes('://') && !/^\s*(?:"url"|"funding"): /.test(line) && !/^\s*"https?:[^"]*",?$/.test(line))
    expect(addresses).toEqual([])
  })

  test('names no host of a package registry', () => {
    expect(linesLike(hosts)).toEqual([])
  })

  test('names no folder of one machine', () => {
    expect(linesLike(machineFolders)).toEqual([])
  })

  test('has no file over 1 MiB', () => {
    const large = tracked.filter(path => statSync(join(root, path)).size > largestBytes)
    expect(large).toEqual([])
  })

  test('has only relative links that lead somewhere', () => {
    const broken: string[] = []
    for (const path of tracked.filter(name => name.endsWith('.md'))) {
      for (const target of relativeLinks(read(path))) {
        const from = target.startsWith('/') ? root : join(root, dirname(path))
        if (!existsSync(join(from, target))) broken.push(`${path}: ${target}`)
      }
    }
    expect(broken).toEqual([])
  })

  test('starts its commands with a line that finds the interpreter, and may run them', () => {
    const commands = tracked.filter(path => /^(?:bin|\.ci)\//.test(path) && path !== 'bin/package.json')
    expect(commands).toContain('.ci/run')
    for (const path of commands) {
      expect(read(path), path).toMatch(/^#!/)
      expect(statSync(join(root, path)).mode & 0o111, path).not.toBe(0)
    }
  })
})

describe('the checks themselves', () => {
  test.each([
    [['', 'work', 'main'].join('/'), true],
    [`'${['', 'root', 'x'].join('/')}'`, true],
    ['~/work/notes', false],
    ['src/root/page.ts', false],
  ])('%s is a folder of one machine: %s', (text, is) => {
    expect(machineFolders.test(text)).toBe(is)
  })

  test('links are found outside code only', () => {
    const text =
      '[a](docs/a.md#part) `[b](b.md)` [c](https://example.com) [d](#d)\n```\n[e](e.md)\n```\n[f]: <f.md>\n[g]: ../g.md "title"\n![h](h%20i.png "t")\n'
    expect(relativeLinks(text)).toEqual(['docs/a.md', 'h i.png', 'f.md', '../g.md'])
  })
})
