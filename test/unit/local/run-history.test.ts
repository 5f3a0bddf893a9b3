import { expect, test } from 'vitest';
import { JournalRunHistory } from '../../../local/run-history.ts';
import type { HistoryEvent } from '../../../local/states-language/journal.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { failing, runWorkflow } from '../../support/run-workflow.ts';

async function recordOf(events: readonly HistoryEvent[], torn = '') {
  const state = new MemoryObjectStore();
  const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  await state.put(stateKeys.journal('run-1'), Buffer.from(text + torn));
  return new JournalRunHistory(state).find('run-1');
}

test('a run that ended well says when, and what came out', async () => {
  const { events } = await runWorkflow('backup');
  const record = await recordOf(events);
  expect(record).toMatchObject({ workflow: 'backup', status: 'succeeded', output: { backupId: 'b1' } });
  expect(record?.startedAt.toISOString()).toBe('2026-11-22T10:00:00.000Z');
  expect(record?.endedAt?.getTime()).toBeGreaterThan(record?.startedAt.getTime() ?? Infinity);
});

test('a run that failed names the step that failed, not the clean-up', async () => {
  const { events } = await runWorkflow('restore', failing('LaunchWorker', 'RestoreRejected'));
  expect(await recordOf(events)).toMatchObject({ workflow: 'restore', status: 'failed', state: 'Restore Part' });
});

test('while bases are taken it is the dump that the run is in, and afterwards the capture', async () => {
  const { events } = await runWorkflow('backup');
  const named = (event: HistoryEvent) => event['stateEnteredEventDetails']?.['name'];
  const firstCapture = events.findIndex((event) => named(event) === 'Capture Oplog');
  expect(await recordOf(events.slice(0, firstCapture + 1))).toMatchObject({
    status: 'running',
    state: 'Dump Collections',
  });
  const completion = events.findIndex((event) => named(event) === 'Complete Backup');
  expect(await recordOf(events.slice(0, completion))).toMatchObject({ state: 'Capture Oplog', endedAt: null });
});

test('a torn last line is what a killed process leaves, and is passed over', async () => {
  const { events } = await runWorkflow('backup');
  expect(await recordOf(events.slice(0, 5), '{"id":6,"ty')).toMatchObject({ status: 'running' });
  expect(await recordOf([], '{"id":1')).toBeUndefined();
});

test('a run without a journal is unknown', async () => {
  expect(await new JournalRunHistory(new MemoryObjectStore()).find('run-9')).toBeUndefined();
});
