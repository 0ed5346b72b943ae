import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { buildProgram } from '../src/cli/program.js'
import { allCommands } from '../src/cli/table.js'
import { settingList } from '../src/sdk/config.js'
import { mountSupport } from '../src/sdk/doctor.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(`${root}/docs/cli.md`, 'utf8')

/** Command lines in the blocks of the page, and in the examples of the table. */
const lines = [
  ...[...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block.split('\n')),
  ...allCommands().flatMap(spec => spec.examples.map(([line]) => line)),
].filter(line => line.includes('cairn '))

describe('docs/cli.md', () => {
  test.each(allCommands().map(spec => spec.name))('has an example of %s', name => {
    expect(page).toMatch(new RegExp(`cairn ${name}\\b`))
  })

  test('names every option and every setting', () => {
    for (const { name, options = [] } of allCommands()) {
      for (const [flags] of options) {
        const known = flags.split(/[ ,]+/).filter(word => word.startsWith('-'))
        expect(
          known.some(flag => new RegExp(`(?<![\\w-])${flag}(?![\\w-])|-\\w*${flag.slice(1)}\\w*\\b`).test(page)),
          `${name} ${flags}`,
        ).toBe(true)
      }
    }
    for (const { key, variable } of settingList) expect(page).toContain(`| \`${key}\` | \`${variable}\``)
  })

  test.each(lines)('%s is understood', line => {
    const words = /\bcairn ((?:'[^']*'|"[^"]*"|[^#;&|<>)])*)/.exec(line)?.[1].match(/'[^']*'|"[^"]*"|\S+/g) ?? []
    let parsed = 0
    const program = buildProgram(() => parsed++)
    const quiet = (command: typeof program): void => {
      command.exitOverride().configureOutput({ writeErr: () => {} })
      command.commands.forEach(quiet)
    }
    quiet(program)
    program.parse([...words], { from: 'user' })
    expect(parsed).toBe(1)
  })
})

describe('examples', () => {
  test('quick-start.mjs', () => {
    const out = execFileSync(process.execPath, [`${root}/examples/quick-start.mjs`], { encoding: 'utf8' })
    expect(out).toBe('modified /notes/plan.md\ncreated /result.txt\nplanned: notes\nagent: done\nsecond-try: done otherwise\n')
  })

  test('history.sh', () => {
    const out = execFileSync(`${root}/examples/history.sh`, { encoding: 'utf8' })
    for (const line of ['D /README.md', 'nothing differs from the checkpoint', 'Sums of any length.', '└── try-3']) expect(out).toContain(`${line}\n`)
    expect(out).toContain('-- the best one is merged\nMerged try-2 into work')
    expect(out).toContain('return sum(numbers)  # attempt 2\n')
  })

  test.skipIf(mountSupport().some(check => !check.ok))('mount-and-fork.sh', () => {
    // Its server ends when it finds that its home is gone. One that ended when nobody came for a moment would, on a busy machine, do so before its first client came.
    const out = execFileSync(`${root}/examples/mount-and-fork.sh`, { encoding: 'utf8' })
    expect(out).toContain('M /src/main.txt  (6 -> 7 bytes)\n')
    expect(out).toContain('work: broken, again: hello\n')
  })
})
