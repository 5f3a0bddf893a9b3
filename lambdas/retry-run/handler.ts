import { retryRun } from '../../src/application/use-cases/retry-run.ts';
import { composeExecutions, composeHistory, composeStarter, composeStep } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = {
  ...composeStep(env),
  ...composeExecutions(env),
  ...composeHistory(env),
  ...composeStarter({ backup: env.BACKUP_MACHINE_ARN, restore: env.RESTORE_MACHINE_ARN }),
};

export const handler = makeApiHandler(
  { retryRun: ({ path, requestedBy }) => retryRun(path.runId, requestedBy, deps) },
  deps,
);
