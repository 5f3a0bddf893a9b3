import { startBackup } from '../../src/application/use-cases/start-backup.ts';
import { composeConfig, composeStarter, composeStep } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStarter({ backup: env.BACKUP_MACHINE_ARN }) };
const loadSettings = composeConfig(env);

export const handler = makeApiHandler(
  {
    startBackup: async ({ path, body, idempotencyKey, requestedBy }) =>
      startBackup(
        { ...body, ...path, requestedBy, ...(idempotencyKey !== undefined && { idempotencyKey }) },
        { ...deps, settings: await loadSettings() },
      ),
  },
  deps,
);
