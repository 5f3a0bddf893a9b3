import { bind } from '../../src/application/bind.ts';
import { completeBackup, completeBackupInput } from '../../src/application/use-cases/complete-backup.ts';
import {
  composeLauncher,
  composeNoSource,
  composeNoTarget,
  composeRelease,
  composeStep,
  composeStorages,
} from '../../src/composition/compose-aws.ts';
import { composeSnapshots } from '../../src/composition/compose-aws-snapshots.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = {
  ...composeStep(env),
  ...composeLauncher(env),
  ...composeStorages(),
  ...composeRelease(),
  ...composeNoTarget(),
  ...composeNoSource(),
  ...composeSnapshots(env),
};

export const handler = makeHandler(bind(completeBackup, completeBackupInput)(deps), deps);
