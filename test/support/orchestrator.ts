import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbedded } from '../../local/embedded.ts';
import { DataDirectorySnapshots } from '../../src/adapters/directory/data-directory-snapshots.ts';
import type { VolumeSnapshots } from '../../src/application/ports/volume-snapshots.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { noLogger } from './no-logger.ts';

/**
 * A process that runs one backup: what a test kills to see what the next one makes of it. With the name of a moment it dies
 * of itself (SIGKILL) right then, which nobody outside could time.
 */
const [file = '', moment] = process.argv.slice(2);
const settings = settingsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
const copies = new DataDirectorySnapshots(join(settings.stateDir, 'snapshots'));
let copied = false;

function dieIf(now: string): void {
  if (now === moment) process.kill(process.pid, 'SIGKILL');
}

const volumes: VolumeSnapshots = {
  find: (deployment, host) => copies.find(deployment, host),
  openedBy: (volume) => {
    dieIf('before the lock');
    return copies.openedBy(volume);
  },
  create: async (...request) => {
    dieIf('when the member is locked');
    const taken = await copies.create(...request);
    copied = true;
    dieIf('when the files are copied and the member is still locked');
    return taken;
  },
  adopt: (request) => copies.adopt(request),
  look: (owner) => {
    dieIf('after the lock');
    return copies.look(owner);
  },
  delete: (owner) => {
    if (copied) dieIf('before the copy is deleted');
    return copies.delete(owner);
  },
};

const client = await openEmbedded({ settings, logger: noLogger, volumes });
const { runId } = await client.startBackup({ requestedBy: 'test' });
process.stdout.write(`${runId}\n`);
await client.waitForRun(runId);
await client.close();
