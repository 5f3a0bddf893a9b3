import { pruneArchive } from '../../src/application/use-cases/prune-archive.ts';
import { composeConfig, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages() };
const loadSettings = composeConfig(env);

export const handler = makeApiHandler(
  {
    prune: async ({ query: { deployment, dryRun } }) => {
      const isDry = dryRun === 'true';
      const pruned = await pruneArchive({ deployment, dryRun: isDry }, { ...deps, settings: await loadSettings() });
      return { dryRun: isDry, pruned };
    },
  },
  deps,
);
