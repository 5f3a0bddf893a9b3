import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../../src/config/load-config.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { readCorpus } from './corpus.ts';
import { garbage, mutated, mutatedJson } from './mutations.ts';
import { type FuzzBudget, fuzz, typedOutcome } from './typed-outcome.ts';

const file = '/etc/holdfast/holdfast.config.yaml';

/** The config file, as someone else may have written it. */
export function describeConfigFuzz(budget: FuzzBudget): void {
  const load = (text: string) => loadConfig(file, () => Promise.resolve(text));
  const seed = readCorpus('holdfast.config.yaml');
  const value = {
    stage: 'test',
    stateDir: './state',
    storages: { laptop: { type: 'directory', path: './backups' } },
    deployments: {
      orders: {
        uri: 'mongodb://a:1,b:2/?replicaSet=rs0',
        credentials: { env: 'ORDERS' },
        storage: 'laptop',
        tls: { caFile: 'ca.pem' },
        member: { prefer: 'hidden', allowPrimary: false, maxLagSeconds: 20 },
        compression: { codec: 'zstd', level: 1 },
        limits: { parallel: 4 },
      },
    },
  };

  describe('config file', () => {
    it('gives settings, or every problem as InvalidConfig', async () => {
      expect(Object.keys((await load(seed.toString())).deployments)).toEqual(['orders']);
      const texts = fc.oneof(
        mutated(seed).map(String),
        garbage.map(String),
        mutatedJson(value).map((changed) => stringify(changed)),
      );
      await fuzz(budget, texts, async (text) => {
        const settings = await typedOutcome(() => load(text), ['InvalidConfig'], file);
        if (settings) expect(settingsSchema.safeParse(settings).success).toBe(true);
      });
    });
  });
}
