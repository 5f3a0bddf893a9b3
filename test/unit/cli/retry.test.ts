import { expect, it } from 'vitest';
import { backupId, fakeClient, runFake } from './fake-environment.ts';

it('retries a run, and follows the new one', async () => {
  const client = fakeClient();
  const { code, stdout } = await runFake(['retry', 'run-0'], { client });
  expect(client.asked.slice(0, 2)).toEqual([
    ['retry', 'run-0', 'cli:ada'],
    ['waitForRun', 'run-1'],
  ]);
  expect([code, stdout.includes(backupId)]).toEqual([0, true]);
});
