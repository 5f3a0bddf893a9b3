import { forEachArchive } from '../../src/application/each-archive.ts';
import { pruneArchive } from '../../src/application/use-cases/prune-archive.ts';
import { composeConfig, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages() };
const loadSettings = composeConfig(env);

export const handler = makeHandler(async () => {
  const settings = await loadSettings();
  return forEachArchive(settings, ({ name }) =>
    pruneArchive({ deployment: name, dryRun: false }, { ...deps, settings }),
  );
}, deps);
