import { keepYoungGenerationSmall } from '../../src/adapters/process/young-generation.ts';
import { bindTurn } from '../../src/application/bind.ts';
import { archiveOplog, archiveOplogInput } from '../../src/application/use-cases/archive-oplog.ts';
import { composeConfig, composeEvents, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { composeArchivedMembers } from '../../src/composition/compose-aws-database.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

keepYoungGenerationSmall();
const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages(), ...composeEvents(), ...composeArchivedMembers() };
const loadSettings = composeConfig(env);
const archive = bindTurn(archiveOplog, archiveOplogInput);

export const handler = makeHandler(
  async (event, signal) => archive({ ...deps, settings: await loadSettings() })(event, signal),
  deps,
);
