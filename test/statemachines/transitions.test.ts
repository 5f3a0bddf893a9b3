import { expect, test } from 'vitest';
import { countTransitions } from '../../local/states-language/count-transitions.ts';
import { failing, runWorkflow } from '../support/run-workflow.ts';

test('a replica set needs at most 30 transitions, and three for each time that it waits', async () => {
  const { total, waiting } = countTransitions((await runWorkflow('backup')).events);
  expect(total - waiting).toBeLessThanOrEqual(30);
  // Five more rounds of waiting, capturing and asking whether that is all.
  expect(waiting).toBe(15);
});

test('a restore of a replica set does, too', async () => {
  const { total, waiting } = countTransitions((await runWorkflow('restore')).events);
  expect(total).toBeLessThanOrEqual(30);
  expect(waiting).toBe(0);
});

test('tries that are made again count as transitions: they are billed', async () => {
  const once = countTransitions((await runWorkflow('backup')).events);
  const twice = countTransitions((await runWorkflow('backup', failing('PlanBackup', 'StorageUnavailable', 1))).events);
  expect(twice).toEqual({ total: once.total + 1, waiting: once.waiting });
});
