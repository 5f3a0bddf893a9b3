import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import type { Settings } from '../../src/domain/settings.ts';
import {
  type EmbeddedSet,
  isAlive,
  leaseIsHeld,
  quick,
  seedDocuments,
  startEmbeddedSet,
  storageFiles,
  untilEntered,
  untilProgress,
  workerPid,
} from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';

let servers: EmbeddedSet;

beforeAll(async () => {
  servers = await startEmbeddedSet();
  await seedDocuments(servers.set, 32);
});
afterAll(async () => {
  await servers.stop();
});

async function startOrchestrator(settings: Settings): Promise<{ child: ChildProcess; runId: string }> {
  await mkdir(settings.stateDir, { recursive: true });
  const file = join(settings.stateDir, '..', 'settings.json');
  await writeFile(file, JSON.stringify(settings));
  const child = spawn(process.execPath, [join(import.meta.dirname, '../support/orchestrator.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [runId] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, runId };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await gone;
}

const states = [
  'Inspect Deployment',
  'Plan Backup',
  'Acquire Lease',
  'Dump Collections',
  'Capture Oplog',
  'Complete Backup',
  'Release Lease',
];

test.each(states)(
  'after the orchestrator was killed in %s, the next start leaves nothing half-done and the next backup works',
  async (state) => {
    const settings = await servers.newSettings(state === 'Dump Collections' ? 'slow' : undefined);
    const { child, runId } = await startOrchestrator(settings);
    await untilEntered(settings, runId, state);
    if (state === 'Dump Collections') await untilProgress(settings, runId);
    await kill(child);

    const client = await openEmbedded({ settings: quick(settings), logger: noLogger });
    try {
      const [run] = await client.status(runId);
      expect(await leaseIsHeld(settings)).toBe(false);
      const backups = await client.listBackups({});
      if (run?.status === 'succeeded') expect(backups).toHaveLength(1);
      else {
        expect(run).toMatchObject({ status: 'failed', error: { name: 'Interrupted' } });
        expect(await storageFiles(settings)).toEqual([]);
      }
      const next = await client.startBackup({});
      expect(await client.waitForRun(next.runId)).toMatchObject({ status: 'succeeded', error: null });
      expect(await client.listBackups({})).toHaveLength(backups.length + 1);
    } finally {
      await client.close();
    }
  },
);

test('a worker whose orchestrator was killed is gone before what it wrote is deleted', async () => {
  const settings = await servers.newSettings('slow');
  const { child, runId } = await startOrchestrator(settings);
  const pid = await workerPid(settings, { runId, attempt: 1 });
  await untilProgress(settings, runId);
  // It can't hear that its parent dies.
  process.kill(pid, 'SIGSTOP');
  await kill(child);
  setTimeout(() => process.kill(pid, 'SIGCONT'), 1000);
  const client = await openEmbedded({ settings, logger: noLogger });
  expect(await isAlive(pid)).toBe(false);
  expect(await storageFiles(settings)).toEqual([]);
  await client.close();
});

test('a run of another process is seen and cancelled from this one', async () => {
  const settings = await servers.newSettings('slow');
  const { child, runId } = await startOrchestrator(settings);
  try {
    await untilProgress(settings, runId);
    const client = await openEmbedded({ settings, logger: noLogger });
    expect(await client.status(runId)).toMatchObject([{ status: 'running', workflow: 'backup' }]);
    await client.cancel(runId);
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'cancelled' });
    expect(await storageFiles(settings)).toEqual([]);
    await client.close();
  } finally {
    await kill(child);
  }
});
