import { defineConfig } from 'vitest/config'

// The packages' `source` export condition lets tests run from src, so that a stack trace names the file one edits.
const conditions = ['source', 'node', 'import', 'module', 'default']
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } }
const exclude = ['**/node_modules/**', '**/dist/**']

/** Tests that start real processes with rounds of seconds; they need the machine for themselves. */
const PROCESS_TESTS = ['test/e2e/**/*.test.ts', 'test/docs/**/*.test.ts']

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './scripts/count-reporter.mjs'],
    projects: [
      {
        ...resolution,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...exclude, ...PROCESS_TESTS],
          testTimeout: 30_000,
          sequence: { groupOrder: 0 }
        }
      },
      {
        ...resolution,
        test: {
          name: 'processes',
          include: PROCESS_TESTS,
          exclude,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
