/**
 * Three projects, one after the other. `unit`: everything under virtual clocks, fast, in parallel. `e2e`: real processes
 * on loopback, two files at a time. `netlab`: real processes in network namespaces; those of `netlab-timed` alone.
 */
import { type TestUserConfig as ProjectConfig, defineConfig } from 'vitest/config'

const NETLAB = ['test/netlab/**/*.test.ts']
/** What they measure another test beside them would spoil; the others mostly wait. */
const TIMED = ['failover', 'forwards', 'measurement', 'namespaces'].map((name) => `test/netlab/${name}.test.ts`)

const PROCESSES = {
  environment: 'node',
  pool: 'forks' as const,
  globalSetup: ['test/e2e/built-program.ts'],
  testTimeout: 120_000,
  hookTimeout: 120_000,
} satisfies ProjectConfig

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'test/*.test.ts',
            'test/bench/**/*.test.ts',
            'test/fuzz/*.test.ts',
            'test/wire/*.test.ts',
          ],
          environment: 'node',
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          // Virtual clocks: only what hangs may run into it, also on a machine that is busy.
          testTimeout: 120_000,
        },
      },
      {
        test: { ...PROCESSES, name: 'e2e', include: ['test/e2e/**/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      {
        test: { ...PROCESSES, name: 'netlab', include: NETLAB, exclude: TIMED, maxWorkers: 2, sequence: { groupOrder: 2 } },
      },
      {
        test: {
          ...PROCESSES,
          name: 'netlab-timed',
          include: TIMED,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
