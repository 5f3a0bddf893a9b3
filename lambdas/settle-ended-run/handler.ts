import * as z from 'zod';
import { settleEndedRun } from '../../src/application/use-cases/settle-ended-run.ts';
import { composeEvents, composeExecutions } from '../../src/composition/compose-aws.ts';
import { composeSettling } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeSettling(env), ...composeExecutions(env), ...composeEvents() };

/** "Step Functions Execution Status Change": the execution's name is the run. */
const eventSchema = z.object({ detail: z.object({ name: z.string() }) });

export const handler = makeHandler((event) => settleEndedRun(eventSchema.parse(event).detail.name, deps), deps);
