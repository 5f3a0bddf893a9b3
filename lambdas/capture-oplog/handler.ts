import { bind } from '../../src/application/bind.ts';
import { captureOplog, captureOplogInput } from '../../src/application/use-cases/capture-oplog.ts';
import { composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { composeCapture } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const step = composeStep(env);
const deps = { ...step, ...composeCapture({ ...step, ...composeStorages() }) };

export const handler = makeHandler(bind(captureOplog, captureOplogInput)(deps), deps);
