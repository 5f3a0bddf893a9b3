import { bind } from '../../src/application/bind.ts';
import { planBackup, planBackupInput } from '../../src/application/use-cases/plan-backup.ts';
import { composePlan, composeStep } from '../../src/composition/compose-aws.ts';
import { composeVolumes } from '../../src/composition/compose-aws-snapshots.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composePlan(), ...composeVolumes(env) };

export const handler = makeHandler(bind(planBackup, planBackupInput)(deps), deps);
