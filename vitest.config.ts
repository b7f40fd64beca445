import { defineConfig } from 'vitest/config'

// The packages' `source` export condition lets tests run from src, so that a stack trace names the file one edits.
const conditions = ['source', 'node', 'import', 'module', 'default']
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } }
const exclude = ['**/node_modules/**', '**/dist/**']

/** Tests that start real processes; those with rounds of seconds need the machine for themselves. */
const PROCESS_TESTS = ['test/e2e/**/*.test.ts', 'test/docs/**/*.test.ts']
/** Their networks stand in one round for the whole test, and most of their time is waiting: two run at once. */
const STANDING_TESTS = [
  'bad-input',
  'client-killed',
  'daemon-killed',
  'floods',
  'full-disk',
  'hostile-providers',
  'plain-helia',
  'private-objects',
  'put-get',
  'refusals'
].map(name => `test/e2e/${name}.test.ts`)

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
          name: 'standing',
          include: STANDING_TESTS,
          exclude,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        ...resolution,
        test: {
          name: 'processes',
          include: PROCESS_TESTS,
          exclude: [...exclude, ...STANDING_TESTS],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
