import { bind } from '../../src/application/bind.ts';
import { inspectDeployment, inspectDeploymentInput } from '../../src/application/use-cases/inspect-deployment.ts';
import { composeConfig, composeExecutions, composeStep } from '../../src/composition/compose-aws.ts';
import { composeInspector } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeExecutions(env), ...composeInspector() };
const loadSettings = composeConfig(env);
const inspect = bind(inspectDeployment, inspectDeploymentInput);

export const handler = makeHandler(
  async (event, signal) => inspect({ ...deps, settings: await loadSettings() })(event, signal),
  deps,
);
