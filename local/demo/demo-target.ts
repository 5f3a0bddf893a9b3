import { join } from 'node:path';
import { restoreRole } from '../../src/domain/privileges.ts';
import { startStandalone, type StandaloneServer } from '../servers/standalone.ts';
import { createUserInFile } from './database-user.ts';
import { type Screen, timed } from './screen.ts';

export const restoreUser = 'holdfast-restore';

export interface DemoTarget {
  readonly server: StandaloneServer;
  readonly credentialsFile: string;
}

/** An empty server with a user for the restore. */
export async function startTarget(
  screen: Screen,
  directory: string,
  things: AsyncDisposableStack,
): Promise<DemoTarget> {
  const server = await timed(
    screen,
    'Target',
    () => startStandalone({ auth: true }),
    ({ host }) => `an empty server, ${host}`,
  );
  things.defer(() => server.stop());
  const credentialsFile = join(directory, 'restore-user');
  await createUserInFile(server.client(), restoreRole(), restoreUser, credentialsFile);
  return { server, credentialsFile };
}
