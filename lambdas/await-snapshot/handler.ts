import { bind } from '../../src/application/bind.ts';
import { awaitSnapshot, awaitSnapshotInput } from '../../src/application/use-cases/await-snapshot.ts';
import { composeStep } from '../../src/composition/compose-aws.ts';
import { composeSnapshots } from '../../src/composition/compose-aws-snapshots.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeSnapshots(env) };

export const handler = makeHandler(bind(awaitSnapshot, awaitSnapshotInput)(deps), deps);
