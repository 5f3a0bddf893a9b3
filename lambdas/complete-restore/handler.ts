import { bind } from '../../src/application/bind.ts';
import { completeRestore, completeRestoreInput } from '../../src/application/use-cases/complete-restore.ts';
import {
  composeNoSource,
  composeStep,
  composeStorages,
  composeNoSnapshots,
} from '../../src/composition/compose-aws.ts';
import { composeTarget } from '../../src/composition/compose-aws-database.ts';
import { composeRestoreVolumes } from '../../src/composition/compose-aws-volumes.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = {
  ...composeStep(env),
  ...composeStorages(),
  ...composeTarget(),
  ...composeNoSource(),
  ...composeNoSnapshots(),
  ...composeRestoreVolumes(env),
};

export const handler = makeHandler(bind(completeRestore, completeRestoreInput)(deps), deps);
