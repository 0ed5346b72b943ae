import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Where .ci/run wants the counts. */
const report = process.env['CAIRN_TEST_REPORT']

/** Those that mostly wait and take a minute or more: first, so that none of them is what the others have to be waited for. */
const longest = [
  'store-outages',
  'store-mistakes',
  'spec/protocol',
  'test/cache',
  'server/history',
  'durability-s3',
  'planted-secrets',
  'two-hosts',
  'gc-crash',
  'crash-points',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => (longest.findIndex(part => moduleId.includes(part)) + longest.length + 1) % (longest.length + 1)
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'spec/**/*.test.ts'],
    // Some tests start bin/cairn, which runs what is compiled.
    globalSetup: ['test/build.setup.ts'],
    setupFiles: ['test/seed.setup.ts'],
    // Processes, not threads: tests change the working directory, mount, and are killed.
    pool: 'forks',
    // Most of them wait for disks, processes and servers: more than there are cores.
    maxWorkers: 5,
    sequence: { sequencer: LongestFirst },
    // Many times what any needs alone, since none may fail because a machine is slow or busy; a hung mount must not hang the run. Longer ones say so.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
