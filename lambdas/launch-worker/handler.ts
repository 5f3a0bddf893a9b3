import { bind } from '../../src/application/bind.ts';
import { launchWorker, launchWorkerInput } from '../../src/application/use-cases/launch-worker.ts';
import { composeStep, composeVolumeLauncher } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeVolumeLauncher(env) };

export const handler = makeHandler(bind(launchWorker, launchWorkerInput)(deps), deps);
