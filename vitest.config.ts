import { defineConfig } from 'vitest/config'

/** Where .ci/run wants the counts. */
const report = process.env['CAIRN_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'spec/**/*.test.ts'],
    // Some tests start bin/cairn, which runs what is compiled.
    globalSetup: ['test/build.setup.ts'],
    // Processes, not threads: tests change the working directory, mount, and are killed.
    pool: 'forks',
    maxWorkers: 2,
    // Tests that need longer say so; a hung mount must not hang the run.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
