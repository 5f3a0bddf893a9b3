import { bind } from '../../src/application/bind.ts';
import { recordFailure, recordFailureInput } from '../../src/application/use-cases/record-failure.ts';
import {
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
  ...composeLauncher(env),
  ...composeStorages(),
  ...composeTarget(),
  ...composeNoSource(),
  ...composeVolumes(),
};

export const handler = makeHandler(bind(recordFailure, recordFailureInput)(deps), deps);
