import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { LogFields, Logger } from '../../src/application/ports/logger.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { restoreRole } from '../../src/domain/privileges.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { openEmbedded } from '../embedded.ts';
import { freezeAt } from '../servers/frozen-source.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../servers/reaper.ts';
import { directClient } from '../servers/root-user.ts';
import { type DemoConfig, writeConfig } from './demo-config.ts';
import { type DemoSource, startSource } from './demo-source.ts';
import { type DemoStorageKind, startDemoStorage } from './demo-storage.ts';
import { type DemoTarget, restoreUser, startTarget } from './demo-target.ts';
import { showMembers, showRestored } from './run-documents.ts';
import { explainFreezing, prove } from './proof.ts';
import { formatSeconds, type Screen } from './screen.ts';
import { describeProgress, showRun } from './show-run.ts';
import { readTransitionCount } from './state-transitions.ts';
import { formatBytes, formatCount, formatMoment } from './units.ts';

/** What the product warns of, as lines among the others. */
function screenLogger(screen: Screen): Logger {
  const say = (message: string, fields: LogFields = {}) => {
    const { reason, name } = fields;
    const facts = [name, reason].filter((fact) => typeof fact === 'string');
    screen.note([message, ...facts].join(' - '));
  };
  return { debug: () => undefined, info: () => undefined, warn: say, error: say };
}

interface Product {
  readonly client: HoldfastClient;
  readonly config: DemoConfig;
}

function describeBackup({ totals, backupId }: Manifest): string {
  const { documents, rawBytes, storedBytes } = totals;
  return `${backupId}: ${formatCount(documents ?? 0)} documents, ${formatBytes(rawBytes)}, stored in ${formatBytes(storedBytes)}`;
}

async function backUp(screen: Screen, { client, config }: Product, source: DemoSource): Promise<Manifest> {
  screen.chapter('Backup, by the state machine');
  const before = source.writer.total();
  const { stateDir } = config;
  const { runId } = await client.startBackup({ deployment: 'shop', requestedBy: 'demo' });
  await showRun(screen, {
    client,
    stateDir,
    runId,
    details: async (state, phases) => {
      if (state === 'Plan Backup') await showMembers(screen, stateDir, runId);
      if (state === 'Dump Collections') for (const phase of phases) screen.note(describeProgress(phase));
    },
  });
  const [summary] = await client.listBackups({ deployment: 'shop' });
  if (summary === undefined) throw new HoldfastError('Internal', 'The run succeeded and there is no backup.');
  const manifest = await client.describeBackup(summary.backupId);
  screen.done('Backup', describeBackup(manifest));
  const { total, waiting } = await readTransitionCount(stateDir, runId);
  screen.done('State machine', `${total} state transitions, ${waiting} of them while it waited for the dump`);
  const writes = formatCount(source.writer.total() - before);
  screen.done(
    'Meanwhile',
    `${writes} writes of the application; ${formatCount(manifest.totals.oplogEntries)} oplog entries captured`,
  );
  return manifest;
}

async function restore(
  screen: Screen,
  { client, config }: Product,
  manifest: Manifest,
  target: DemoTarget,
): Promise<void> {
  const { runId } = await client.startRestore({
    backup: manifest.backupId,
    to: target.server.uri,
    credentials: { file: target.credentialsFile },
    users: true,
    requestedBy: 'demo',
  });
  const details = async (state: string) => {
    if (state === 'Restore Part') await showRestored(screen, config.stateDir, runId, manifest);
  };
  await showRun(screen, { client, stateDir: config.stateDir, runId, details });
}

/** The whole demo. @throws HoldfastError whatever goes wrong, a difference between source and restored server included. */
export async function runDemo(screen: Screen, things: AsyncDisposableStack, kind: DemoStorageKind): Promise<void> {
  const start = performance.now();
  const directory = await makeOwnDirectory('demo');
  things.defer(() => removeOwnDirectory(directory));
  const storage = await startDemoStorage(kind, screen, directory, things);
  const source = await startSource(screen, directory, things);
  const config = await writeConfig(directory, source, storage);
  const client = await openEmbedded({ configPath: config.configPath, logger: screenLogger(screen) });
  things.defer(() => client.close());
  const manifest = await backUp(screen, { client, config }, source);
  const time = manifest.restoreTime;
  if (time === null) throw new HoldfastError('Internal', 'The backup of a replica set has no restore time.');

  screen.chapter(`Restore to ${formatMoment(time)}`);
  // Beside the restore: neither knows of the other.
  const freezing = freezeAt(source.witness, time);
  freezing.catch(() => undefined);
  const target = await startTarget(screen, directory, things);
  await restore(screen, { client, config }, manifest, target);

  screen.chapter('Proof');
  screen.note(explainFreezing(time));
  screen.now('waiting for the recovery');
  const frozen = await freezing;
  things.defer(() => frozen.stop());
  // The restored users include the source's root: its password opens the target now.
  const restored = directClient(target.server, source.set.root);
  things.defer(() => restored.close());
  const restorer = { user: `admin.${restoreUser}`, role: `admin.${restoreRole().createRole}` };
  const { differences, summary } = await prove(screen, frozen.client(), restored, restorer);
  if (differences.length > 0) {
    throw new HoldfastError(
      'RestoreVerificationFailed',
      `${differences.length} differences:\n${differences.join('\n')}`,
    );
  }
  await source.writer.stop();
  const seconds = formatSeconds((performance.now() - start) / 1000);
  screen.verdict(
    `Proved: the restored server equals the source at ${formatMoment(time)}: ${summary}. ${seconds}`,
    true,
  );
}
