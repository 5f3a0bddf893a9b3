import { runStatus, showRun } from '../../src/application/use-cases/run-status.ts';
import { composeExecutions, composeHistory, composeStep } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeExecutions(env), ...composeHistory(env) };

export const handler = makeApiHandler(
  {
    showRun: ({ path }) => showRun(path.runId, deps),
    listRuns: async () => ({ runs: await runStatus(undefined, deps) }),
  },
  deps,
);
