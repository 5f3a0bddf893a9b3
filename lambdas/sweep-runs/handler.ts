import { sweepRuns } from '../../src/application/use-cases/sweep-runs.ts';
import { composeEvents, composeExecutions } from '../../src/composition/compose-aws.ts';
import { composeSettling } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeSettling(env), ...composeExecutions(env), ...composeEvents() };

export const handler = makeHandler(() => sweepRuns(deps), deps);
