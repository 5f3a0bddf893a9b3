import { listBackups } from '../../src/application/use-cases/list-backups.ts';
import { composeConfig, composeLogger, composeStorages } from '../../src/composition/compose-aws.ts';
import { makeApiHandler } from '../_shared/make-api-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const env = parseEnvironment(environment);
const deps = { ...composeLogger(), ...composeStorages() };
const loadSettings = composeConfig(env);

async function list(filter: { deployment?: string; storage?: string | undefined; since?: string | undefined }) {
  const since = filter.since === undefined ? undefined : new Date(filter.since);
  return { backups: await listBackups({ ...filter, since }, { ...deps, settings: await loadSettings() }) };
}

export const handler = makeApiHandler(
  {
    listBackups: ({ path, query }) => list({ ...path, ...query }),
    listAllBackups: ({ query }) => list(query),
  },
  deps,
);
