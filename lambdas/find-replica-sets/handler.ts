import { bindTurn } from '../../src/application/bind.ts';
import { findReplicaSets, findReplicaSetsInput } from '../../src/application/use-cases/find-replica-sets.ts';
import { composeConfig, composeEvents, composeStep } from '../../src/composition/compose-aws.ts';
import { composeInspector } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeEvents(), ...composeInspector() };
const loadSettings = composeConfig(env);
const find = bindTurn(findReplicaSets, findReplicaSetsInput);

export const handler = makeHandler(
  async (event, signal) => find({ ...deps, settings: await loadSettings() })(event, signal),
  deps,
);
