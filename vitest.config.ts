/**
 * Two projects. `unit`: everything under virtual clocks, fast, in parallel. `e2e`: real processes on loopback, one
 * file after the other, because they share two cores, ports and wall time.
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/*.test.ts', 'test/bench/**/*.test.ts', 'test/fuzz/*.test.ts'],
          environment: 'node',
          maxWorkers: 2,
          // Virtual clocks: only what hangs may run into it, also on a machine that is busy.
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          pool: 'forks',
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
