import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], extra: object = {}) => ({ test: { name, include, ...extra } });
// A real server starts, elects and recovers in seconds on an idle machine and in tens of seconds on a busy one.
const servers = { testTimeout: 180_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    // Three workers on two cores: a suite on real servers waits for them half of its time.
    maxWorkers: 3,
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    projects: [
      project('unit', ['test/unit/**/*.test.ts'], { isolate: false, testTimeout: 20_000 }),
      project('contract', ['test/contract/**/*.test.ts'], { testTimeout: 30_000 }),
      project('statemachines', ['test/statemachines/**/*.test.ts'], { isolate: false, testTimeout: 30_000 }),
      // One process has one synthesised stage for all its files.
      project('infra', ['test/infra/**/*.test.ts'], { isolate: false, ...servers }),
      project('integration', ['test/integration/**/*.test.ts'], servers),
      project('e2e', ['test/e2e/**/*.test.ts'], servers),
      project('full', ['test/full/**/*.test.ts'], { testTimeout: 1_800_000, hookTimeout: 300_000 }),
    ],
  },
});
