import { defineConfig } from 'vitest/config'

// The packages' `source` export condition lets the tests run from src, so that a coverage line or a stack trace names
// the file one edits. Tests in test/e2e start real processes from dist and are slow: one file at a time.
const conditions = ['source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    exclude: ['**/node_modules/**', '**/dist/**'],
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    maxWorkers: 2,
    reporters: ['default', './scripts/count-reporter.mjs']
  }
})
