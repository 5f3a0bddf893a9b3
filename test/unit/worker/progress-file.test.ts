import { expect, test } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { progressSchema } from '../../../src/domain/run.ts';
import { ProgressFile, type WorkDone } from '../../../worker/progress-file.ts';
import { noLogger } from '../../support/no-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const work = (rawBytes: number, phase = 'dump'): WorkDone => ({
  phase,
  documents: rawBytes / 10,
  rawBytes,
  storedBytes: 0,
  totalBytes: 10_000,
});

function countingStore(): { state: MemoryObjectStore; writes: () => number } {
  const state = new MemoryObjectStore();
  let writes = 0;
  const put = state.put.bind(state);
  state.put = (...args) => {
    writes += 1;
    return put(...args);
  };
  return { state, writes: () => writes };
}

test('progress is written about once a second however often it is told, with rate and time to go', async () => {
  const { state, writes } = countingStore();
  const clock = new VirtualClock();
  const file = new ProgressFile({ state, clock, logger: noLogger, runId: 'run-1', part: 'rs0', interval: 1000 });
  for (let tick = 0; tick <= 50; tick += 1) {
    file.report(work(tick * 100));
    await clock.advance(100);
  }
  expect(writes()).toBe(6);
  await file.flush();
  const progress = await readDocument(state, stateKeys.progress('run-1'), progressSchema);
  expect(progress).toMatchObject({ part: 'rs0', phase: 'dump', rawBytes: 5000, totalBytes: 10_000, etaSeconds: 6 });
  expect(progress.bytesPerSecond).toBeCloseTo(980, -1);
});

test('a longer interval writes as much less often', async () => {
  const { state, writes } = countingStore();
  const clock = new VirtualClock();
  const file = new ProgressFile({ state, clock, logger: noLogger, runId: 'run-1', part: 'rs0', interval: 10_000 });
  for (let second = 0; second <= 60; second += 1) {
    file.report(work(second * 100));
    await clock.advance(1000);
  }
  expect(writes()).toBe(7);
});

test('a new phase is shown at once, and its rate is its own', async () => {
  const state = new MemoryObjectStore();
  const clock = new VirtualClock();
  const file = new ProgressFile({ state, clock, logger: noLogger, runId: 'run-1', part: 'rs0', interval: 1000 });
  file.report(work(9000, 'load'));
  await clock.advance(100);
  file.report(work(9000, 'replay'));
  await clock.settle();
  expect(await readDocument(state, stateKeys.progress('run-1'), progressSchema)).toMatchObject({
    phase: 'replay',
    bytesPerSecond: 0,
  });
});

test('what holds the work back is shown while nothing else is reported, and gone when it is over', async () => {
  const state = new MemoryObjectStore();
  const clock = new VirtualClock();
  const file = new ProgressFile({ state, clock, logger: noLogger, runId: 'run-1', part: 'rs0', interval: 1000 });
  const shown = () => readDocument(state, stateKeys.progress('run-1'), progressSchema);
  file.report(work(9000));
  await clock.advance(1000);
  file.showBrake('stopped: replication lag 31 s (limit 20 s)');
  await clock.settle();
  expect(await shown()).toMatchObject({ brake: 'stopped: replication lag 31 s (limit 20 s)', rawBytes: 9000 });
  await clock.advance(1000);
  file.showBrake(null);
  await clock.settle();
  expect(await shown()).not.toHaveProperty('brake');
});

test('progress that cannot be written stops no work', async () => {
  const state = new MemoryObjectStore();
  state.put = () => Promise.reject(new TypeError('no disk'));
  const file = new ProgressFile({
    state,
    clock: new VirtualClock(),
    logger: noLogger,
    runId: 'run-1',
    part: 'rs0',
    interval: 1000,
  });
  file.report(work(1));
  await expect(file.flush()).resolves.toBeUndefined();
});
