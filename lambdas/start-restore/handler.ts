import { startRestore } from '../../src/application/use-cases/start-restore.ts';
import { composeConfig, composeStarter, composeStep } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStarter({ restore: env.RESTORE_MACHINE_ARN }) };
const loadSettings = composeConfig(env);

export const handler = makeApiHandler(
  {
    startRestore: async ({ path, body, idempotencyKey, requestedBy }) =>
      startRestore({ ...body, ...path, requestedBy }, idempotencyKey, { ...deps, settings: await loadSettings() }),
  },
  deps,
);
