import { sweepRuns } from '../../src/application/use-cases/sweep-runs.ts';
import {
  composeEvents,
  composeExecutions,
  composeLauncher,
  composeNoSource,
  composeStep,
  composeStorages,
  composeVolumes,
} from '../../src/composition/compose-aws.ts';
import { composeTarget } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = {
  ...composeStep(env),
  ...composeExecutions(env),
  ...composeLauncher(env),
  ...composeStorages(),
  ...composeTarget(),
  ...composeEvents(),
  ...composeNoSource(),
  ...composeVolumes(),
};

export const handler = makeHandler(() => sweepRuns(deps), deps);
