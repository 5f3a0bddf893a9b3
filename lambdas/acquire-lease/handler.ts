import { bind } from '../../src/application/bind.ts';
import { acquireLease, acquireLeaseInput } from '../../src/application/use-cases/acquire-lease.ts';
import { composeExecutions, composeLauncher, composeStep } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeExecutions(env), ...composeLauncher(env) };

export const handler = makeHandler(bind(acquireLease, acquireLeaseInput)(deps), deps);
