import { bindTurn } from '../../src/application/bind.ts';
import { startBackup } from '../../src/application/use-cases/start-backup.ts';
import { startNewBase, startNewBaseInput } from '../../src/application/use-cases/start-new-base.ts';
import { composeConfig, composeStarter, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages(), ...composeStarter({ backup: env.BACKUP_MACHINE_ARN }) };
const loadSettings = composeConfig(env);
const start = bindTurn(startNewBase, startNewBaseInput);

export const handler = makeHandler(async (event, signal) => {
  const settings = await loadSettings();
  const all = { ...deps, settings };
  return start({ ...all, startBackup: (request) => startBackup(request, all) })(event, signal);
}, deps);
