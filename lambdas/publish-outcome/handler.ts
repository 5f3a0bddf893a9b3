import { bind } from '../../src/application/bind.ts';
import { publishOutcome, publishOutcomeInput } from '../../src/application/use-cases/publish-outcome.ts';
import { composeEvents, composeStep } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeEvents() };

export const handler = makeHandler(bind(publishOutcome, publishOutcomeInput)(deps), deps);
