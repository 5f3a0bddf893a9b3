import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackupUser, runEveryMethodSeed } from './every-method.ts';
import { type ExactnessServers, startExactnessServers } from './exactness.ts';
import { seedsFromEnvironment } from './exactness-suite.ts';

/** Random seeds, random times, each restored from a base of every method: what is restored equals the source at that time. */
export function describeEveryMethod(usual: string, targets: number): void {
  describe(`restores to ${targets} times of each seed, from a base of every method`, () => {
    let servers: ExactnessServers;
    beforeAll(async () => {
      servers = await startExactnessServers();
      await createBackupUser(servers.source);
    });
    afterAll(() => servers.stop());

    test.each(seedsFromEnvironment(usual))('seed %i', async (seed) => {
      const restored = await runEveryMethodSeed(servers, seed, targets);
      for (const { target, method, slices, applied } of restored)
        console.log(`seed ${seed}: ${target.at}, ${method}, ${slices} slices, ${applied} operations`);
      expect(restored).toHaveLength(3 * targets);
    });
  });
}
