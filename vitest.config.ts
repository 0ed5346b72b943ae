import { defineConfig } from 'vitest/config'

/** Where .ci/run wants the counts. */
const report = process.env['CAIRN_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'spec/**/*.test.ts'],
    // Some tests start bin/cairn, which runs what is compiled.
    globalSetup: ['test/build.setup.ts'],
    setupFiles: ['test/seed.setup.ts'],
    // Processes, not threads: tests change the working directory, mount, and are killed.
    pool: 'forks',
    // Most of them wait for disks, processes and servers: more than there are cores.
    maxWorkers: 3,
    // Many times what any needs alone, since none may fail because a machine is slow or busy; a hung mount must not hang the run. Longer ones say so.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
