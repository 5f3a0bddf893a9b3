import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExactnessServers, runSeed, type SeedOptions, startExactnessServers } from './exactness.ts';

/** `HOLDFAST_SEEDS=17-17` runs one seed, `1-400` ten times as many as usual. */
export function seedsFromEnvironment(usual: string): number[] {
  const [from = 1, to = from] = (process.env['HOLDFAST_SEEDS'] ?? usual).split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

/** Kinds that are met in every handful of seeds: a workload that does none of them tests nothing. */
const frequent = ['insert', 'update', 'delete', 'transaction', 'createIndex'];

/**
 * Every seed: a real set under a random workload, dumped meanwhile, restored, and equal to the source at the restore
 * time. One replica set and one target for all seeds of a suite.
 */
export function describeExactness(title: string, seeds: readonly number[], optionsOf: (seed: number) => SeedOptions) {
  describe.skipIf(seeds.length === 0)(title, () => {
    let servers: ExactnessServers;
    const succeeded = new Map<string, number>();
    beforeAll(async () => {
      servers = await startExactnessServers();
    });
    afterAll(() => servers.stop());

    for (const seed of seeds) {
      const options = optionsOf(seed);
      test(`seed ${seed}, against the ${options.oracle} source`, async () => {
        const report = await runSeed(servers, seed, options);
        for (const [kind, times] of report.succeeded) succeeded.set(kind, (succeeded.get(kind) ?? 0) + times);
        expect(report.applied, 'operations replayed').toBeGreaterThan(0);
        for (const { ended, readBytes, savedBytes, complaints } of report.attempts)
          console.log(`seed ${seed}: ${ended}, ${readBytes} bytes read, ${savedBytes} not again`, ...complaints);
      });
    }

    // A single seed may have a taste for other things.
    test.runIf(seeds.length >= 5)('the workload did what it is for', () => {
      for (const kind of frequent) expect([...succeeded.keys()]).toContain(kind);
    });
  });
}
