import { bind } from '../../src/application/bind.ts';
import { releaseLease, releaseLeaseInput } from '../../src/application/use-cases/release-lease.ts';
import { composeStep } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env) };

export const handler = makeHandler(bind(releaseLease, releaseLeaseInput)(deps), deps);
