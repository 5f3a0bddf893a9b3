import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bindFunctions, makeTaskHandler } from '../../local/bindings.ts';
import { CredentialEnvironment } from '../../local/credential-environment.ts';
import { EmbeddedClient } from '../../local/embedded-client.ts';
import { JournalRunHistory } from '../../local/run-history.ts';
import { EmbeddedExecutions } from '../../local/states-language/executions.ts';
import { FileJournal, type HistoryEvent, type Journal } from '../../local/states-language/journal.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { JournalExecutions } from '../../src/adapters/process/embedded-executions.ts';
import { thisProcess } from '../../src/adapters/process/process-identity.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import { readLease } from '../../src/application/leases.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { type BackupWorld, makeWorld } from '../support/backup-world.ts';

let root: string;
let world: BackupWorld;
let state: DirectoryObjectStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-client-'));
  world = makeWorld();
  state = new DirectoryObjectStore({ root });
});
afterEach(async () => {
  await state.close();
  await rm(root, { recursive: true, force: true });
});

/** The product on a real state directory, with its workflow's journal in the test's hand. */
function openClient(journal: (path: string) => Journal = (path) => new FileJournal(path)): EmbeddedClient {
  const clock = new SystemClock();
  const deps = { ...world.deps, state, clock, executions: new JournalExecutions(state) };
  return new EmbeddedClient({
    deps,
    executions: new EmbeddedExecutions({
      clock,
      tasks: makeTaskHandler(bindFunctions(deps)),
      journal: (runId) => journal(join(root, stateKeys.journal(runId))),
      processFacts: { ...thisProcess() },
      random: () => 0,
    }),
    history: new JournalRunHistory(state),
    credentials: new CredentialEnvironment(deps.settings),
    stateDir: root,
    sweepTemporaryFiles: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });
}

/** A disk that is full from an event on. */
function fullFrom(path: string, isLast: (event: HistoryEvent) => boolean): Journal {
  const file = new FileJournal(path);
  let full = false;
  return {
    append: (event) => {
      full ||= isLast(event);
      if (full) throw new HoldfastError('StorageFull', 'no space is left');
      file.append(event);
    },
  };
}

test('a run whose record is taken away says what it failed with, not that there is no such run', async () => {
  const client = openClient();
  world.deps.launcher.launch = () => rm(root, { recursive: true });
  const { runId } = await client.startBackup({});
  const status = await client.waitForRun(runId);
  expect(status).toMatchObject({
    runId,
    status: 'failed',
    error: { name: expect.not.stringMatching('UnknownRun') as string },
  });
});

test('a target with a password in it is refused before anything is written down', async () => {
  const client = openClient();
  const start = Promise.resolve().then(() =>
    client.startRestore({ backup: 'orders', to: 'mongodb://me:hunter2@a:1/' }),
  );
  const error: unknown = await start.catch((refusal: unknown) => refusal);
  expect(error).toMatchObject({ name: 'InvalidInput' });
  expect(String(error)).not.toContain('hunter2');
  expect(await readdir(root)).toEqual([]);
});

test('a run whose journal can no longer be written ends, is cleaned up, and is reported with the reason', async () => {
  const client = openClient((path) => fullFrom(path, ({ type }) => type === 'ParallelStateEntered'));
  const { runId } = await client.startBackup({});
  const status = await client.waitForRun(runId);
  expect(status).toMatchObject({ status: 'failed', error: { name: 'StorageFull' } });
  expect(status.error?.message).toContain('no space is left');
  expect(await state.head(stateKeys.settled(runId))).toBeDefined();
  expect((await readLease(state, stateKeys.lease('orders')))?.lease.released).toBe(true);
  expect(world.stopped).toContain(runId);
});
