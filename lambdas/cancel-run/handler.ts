import { cancelRun } from '../../src/application/use-cases/cancel-run.ts';
import { showRun } from '../../src/application/use-cases/run-status.ts';
import { composeExecutions, composeHistory, composeStep } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeExecutions(env), ...composeHistory(env) };

export const handler = makeApiHandler(
  {
    cancelRun: async ({ path }) => {
      const run = await showRun(path.runId, deps);
      if (run.status === 'running') await cancelRun(path.runId, deps);
      return run;
    },
  },
  deps,
);
