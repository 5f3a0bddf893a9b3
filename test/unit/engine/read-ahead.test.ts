import { expect, test } from 'vitest';
import { readAhead } from '../../../src/engine/oplog/read-ahead.ts';

async function* made(log: string[], upTo: number, failAt = Infinity): AsyncGenerator<number> {
  try {
    for (let n = 1; n <= upTo; n++) {
      await Promise.resolve();
      if (n === failAt) throw new Error(`no ${n}`);
      log.push(`made ${n}`);
      yield n;
    }
  } finally {
    log.push('ended');
  }
}

async function drain(source: AsyncGenerator<number>, log: string[], stopAt = Infinity): Promise<void> {
  for await (const n of source) {
    // Time for what goes on beside, however many turns it takes.
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`used ${n}`);
    if (n === stopAt) break;
  }
}

test('the next one is made while one is used, and no more than that', async () => {
  const log: string[] = [];
  await drain(readAhead(made(log, 3)), log);
  expect(log).toEqual(['made 1', 'made 2', 'used 1', 'made 3', 'used 2', 'ended', 'used 3']);
});

test('an error comes in its turn', async () => {
  const log: string[] = [];
  await expect(drain(readAhead(made(log, 3, 2)), log)).rejects.toThrow('no 2');
  expect(log).toEqual(['made 1', 'ended', 'used 1']);
});

test('who stops early ends the source, and an error that nobody asked for is nobody’s', async () => {
  const log: string[] = [];
  await drain(readAhead(made(log, 3, 2)), log, 1);
  await drain(readAhead(made(log, 9)), log, 1);
  expect(log).toEqual(['made 1', 'ended', 'used 1', 'made 1', 'made 2', 'used 1', 'ended']);
});
