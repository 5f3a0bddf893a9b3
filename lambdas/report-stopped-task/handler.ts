import * as z from 'zod';
import { reportStoppedWorker } from '../../src/application/use-cases/report-stopped-worker.ts';
import { composeCallbacks, composeStep } from '../../src/composition/compose-aws.ts';
import { workerContainer } from '../../src/domain/names.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeCallbacks() };

const variableSchema = z.object({ name: z.string(), value: z.string() });
/** "ECS Task State Change" with lastStatus STOPPED. */
const eventSchema = z.object({
  detail: z.object({
    stoppedReason: z.string().optional(),
    containers: z.array(z.object({ exitCode: z.int().optional(), reason: z.string().optional() })),
    overrides: z.object({
      containerOverrides: z.array(z.object({ environment: z.array(variableSchema).optional() })),
    }),
  }),
});

export const handler = makeHandler(async (event) => {
  const { stoppedReason, containers, overrides } = eventSchema.parse(event).detail;
  const variables = overrides.containerOverrides.flatMap((container) => container.environment ?? []);
  const taskKey = variables.find(({ name }) => name === workerContainer.taskKey)?.value;
  const reasons = [
    stoppedReason,
    ...containers.flatMap(({ exitCode, reason }) => [
      exitCode === undefined ? undefined : `exit code ${exitCode}`,
      reason,
    ]),
  ];
  await reportStoppedWorker({ taskKey, reason: reasons.filter((reason) => reason !== undefined).join('; ') }, deps);
}, deps);
