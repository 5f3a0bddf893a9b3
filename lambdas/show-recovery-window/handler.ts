import { showRecoveryWindow } from '../../src/application/use-cases/show-recovery-window.ts';
import { composeConfig, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages() };
const loadSettings = composeConfig(env);

export const handler = makeApiHandler(
  {
    showRecoveryWindow: async ({ path, query }) =>
      showRecoveryWindow({ ...path, ...query }, { ...deps, settings: await loadSettings() }),
  },
  deps,
);
