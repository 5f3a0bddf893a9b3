import { bind } from '../../src/application/bind.ts';
import { recordFailure, recordFailureInput } from '../../src/application/use-cases/record-failure.ts';
import { composeSettling } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const deps = composeSettling(parseEnvironment(environment));

export const handler = makeHandler(bind(recordFailure, recordFailureInput)(deps), deps);
