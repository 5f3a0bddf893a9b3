import { bind } from '../../src/application/bind.ts';
import { snapshotMember, snapshotMemberInput } from '../../src/application/use-cases/snapshot-member.ts';
import { composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { composeInspector, composeMembers } from '../../src/composition/compose-aws-database.ts';
import { composeLockWatchdog } from '../../src/composition/compose-aws-locks.ts';
import { composeVolumes } from '../../src/composition/compose-aws-snapshots.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = {
  ...composeStep(env),
  ...composeStorages(),
  ...composeVolumes(env),
  ...composeInspector(),
  ...composeMembers(),
  ...composeLockWatchdog(env),
};

export const handler = makeHandler(bind(snapshotMember, snapshotMemberInput)(deps), deps);
