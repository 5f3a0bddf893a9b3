import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExactnessServers, startExactnessServers } from './exactness.ts';
import { seedsFromEnvironment } from './exactness-suite.ts';
import { runPointInTimeSeed } from './point-in-time.ts';

/** Random seeds, random times: what is restored equals the source at that time. One set and one target for all seeds. */
export function describePointInTime(usual: string, targets: number): void {
  describe(`restores to ${targets} times of each seed`, () => {
    let servers: ExactnessServers;
    beforeAll(async () => {
      servers = await startExactnessServers();
    });
    afterAll(() => servers.stop());

    test.each(seedsFromEnvironment(usual))('seed %i', async (seed) => {
      const restored = await runPointInTimeSeed(servers, seed, targets);
      for (const { target, backupId, slices, applied } of restored)
        console.log(`seed ${seed}: ${target.at} from ${backupId}, ${slices} slices, ${applied} operations`);
      expect(restored).toHaveLength(targets);
    });
  });
}
