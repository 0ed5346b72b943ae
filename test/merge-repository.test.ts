import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MountedHome, run, whyNoMount } from './support/mounted-home.js'

const sums = (name: string): string => `exports.${name} = (...all) => all.reduce((x, y) => x + y, 0)
exports.describe = () => '${name} of numbers'
`
const suite = (folder: string): string => `const { test } = require('node:test')
const assert = require('node:assert')
const { readdirSync } = require('node:fs')
const { join } = require('node:path')
const folder = join(__dirname, '..', '${folder}')
for (const file of readdirSync(folder)) {
  test(file, () => assert.match(require(join(folder, file)).describe(), /^[a-z]+ of [a-z]+$/))
}
test('total', () => assert.equal(require(join(folder, 'total.js')).total(1, 2, 3), 6))
`

describe.skipIf(whyNoMount() !== undefined)('a repository worked on in two forks', { timeout: 300_000 }, () => {
  let home: MountedHome
  let main: string
  let fork: string

  const sh = async (cwd: string, command: string): Promise<string> => {
    const { code, output } = await run('/bin/sh', ['-ec', command], { cwd })
    expect(code, `${command}: ${output}`).toBe(0)
    return output
  }

  beforeEach(async () => {
    home = new MountedHome()
    main = home.mountpoint
    fork = join(home.folder, 'fork')
    await home.must('init', 'w')
    await home.mount()
    mkdirSync(join(main, 'src'))
    mkdirSync(join(main, 'test'))
    for (const name of ['total', 'sum', 'amount']) writeFileSync(join(main, 'src', `${name}.js`), sums(name))
    writeFileSync(join(main, 'test', 'all.test.js'), suite('src'))
    writeFileSync(join(main, 'README.md'), '# Sums\n\nin src\n\nSee the tests.\n')
    await sh(main, 'git init -q . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm first')
    await home.must('fork', 'w', 'try')
    await home.must('mount', 'try', fork)
  })

  afterEach(async () => {
    await home.cairn('unmount', 'try')
    await home.end()
  })

  it('comes together, builds on what both did, and passes its tests; a later conflict waits and is resolved', async () => {
    // One renames the directory with git, the other edits inside it as sed and editors do: a new file renamed over the old.
    await sh(fork, "git mv src lib && sed -i \"s/'src'/'lib'/\" test/all.test.js && sed -i 's/in src/in lib/' README.md")
    await sh(main, "sed -i 's/of numbers/of integers/' src/*.js && printf 'exports.describe = () => \"mean of values\"\\n' > src/mean.js")
    const merged = JSON.parse(await home.must('merge', 'try', '--json')) as { state: string; conflicts: unknown[] }
    expect(merged).toMatchObject({ state: 'merged', conflicts: [] })
    expect(readdirSync(main).sort()).toEqual(['.git', 'README.md', 'lib', 'test'])
    expect(readdirSync(join(main, 'lib')).sort()).toEqual(['amount.js', 'mean.js', 'sum.js', 'total.js'])
    expect(readFileSync(join(main, 'lib', 'sum.js'), 'utf8')).toContain('of integers')
    await sh(main, 'node --test')
    await sh(main, 'git fsck --strict && git status --short')

    writeFileSync(join(main, 'README.md'), 'ours\n')
    writeFileSync(join(fork, 'README.md'), 'theirs\n')
    expect((await home.cairn('merge', 'try')).code).toBe(1)
    expect(readFileSync(join(main, 'README.md'), 'utf8')).toBe('<<<<<<< w\nours\n=======\ntheirs\n>>>>>>> try\n')
    expect(await home.must('status', 'w')).toContain('waits: 1 conflict')
    expect((await home.cairn('merge', 'try', '--continue')).code).toBe(1)
    writeFileSync(join(main, 'README.md'), 'both\n')
    await home.must('merge', 'try', '--continue')
    await home.must('undo', 'w', '--last', '1')
    expect(readFileSync(join(main, 'README.md'), 'utf8')).toBe('ours\n')
    expect(await home.must('fsck', 'w')).toContain('w')
  })

  it('goes back when an agent broke it', async () => {
    await home.must('checkpoint', 'save', 'w', 'good')
    await sh(main, 'rm -rf src .git && echo broken > README.md')
    await home.must('undo', 'w')
    await sh(main, 'node --test && git fsck --strict && git diff --exit-code')
  })
})
