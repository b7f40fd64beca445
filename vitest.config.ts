import { defineConfig } from 'vitest/config'

// The packages' `source` export condition lets tests run from src, so that a stack trace names the file one edits.
const conditions = ['source', 'node', 'import', 'module', 'default']
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } }
/** What a test waits for comes at once, or never; on a busy machine the first takes longer than Vitest's one second. */
const PATIENT = { expect: { poll: { timeout: 15_000 } }, hookTimeout: 120_000 }
const exclude = ['**/node_modules/**', '**/dist/**']

/**
 * Tests of networks of real processes. Most of their time is waiting, for rounds and for answers that do not come: three at
 * once keep two cores busy.
 */
const PROCESS_TESTS = ['test/e2e/**/*.test.ts', 'test/docs/readme.test.ts']
/** Those that start programs which compute all the time and have no rounds to keep: they run beside the unit tests. */
const BUSY_TESTS = ['test/e2e/bench-*.test.ts', 'test/docs/package-readmes.test.ts', 'test/docs/examples.test.ts']

export default defineConfig({
  test: {
    reporters: ['default', './scripts/count-reporter.mjs'],
    projects: [
      {
        ...resolution,
        test: {
          ...PATIENT,
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...exclude, ...PROCESS_TESTS, ...BUSY_TESTS],
          testTimeout: 60_000,
          // A worker loads the packages once and not for every file, which halves the CPU time of all.
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 0 }
        }
      },
      {
        ...resolution,
        test: {
          ...PATIENT,
          name: 'busy',
          include: BUSY_TESTS,
          exclude,
          testTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 0 }
        }
      },
      {
        ...resolution,
        test: {
          ...PATIENT,
          name: 'processes',
          include: PROCESS_TESTS,
          exclude: [...exclude, ...BUSY_TESTS],
          testTimeout: 120_000,
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
