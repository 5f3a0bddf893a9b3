import { forEachArchive } from '../../src/application/each-archive.ts';
import { checkArchive } from '../../src/application/use-cases/check-archive.ts';
import { composeConfig, composeEvents, composeStep, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeStep(env), ...composeStorages(), ...composeEvents() };
const loadSettings = composeConfig(env);

/** For all deployments together; what is left goes on with the next hour's turn. In seconds. */
const budget = 720;

export const handler = makeHandler(async (_event, signal) => {
  const settings = await loadSettings();
  const begun = performance.now();
  return forEachArchive(settings, ({ name }) => {
    const seconds = Math.max(0, budget - (performance.now() - begun) / 1000);
    return checkArchive({ deployment: name, seconds, now: false }, { ...deps, settings }, signal);
  });
}, deps);
