import { bind } from '../../src/application/bind.ts';
import { planRestore, planRestoreInput } from '../../src/application/use-cases/plan-restore.ts';
import { composeConfig, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { composeTarget } from '../../src/composition/compose-aws-database.ts';
import { composeVolumeTargets } from '../../src/composition/compose-aws-volumes.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages(), ...composeTarget(), ...composeVolumeTargets(env) };
const loadSettings = composeConfig(env);
const plan = bind(planRestore, planRestoreInput);

export const handler = makeHandler(
  async (event, signal) => plan({ ...deps, settings: await loadSettings() })(event, signal),
  deps,
);
