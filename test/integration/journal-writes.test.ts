import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EmbeddedExecutions } from '../../local/states-language/executions.ts';
import { FileJournal, readJournal } from '../../local/states-language/journal.ts';
import { loadStateMachine } from '../../local/states-language/load-state-machine.ts';
import { nameFailure } from '../../src/domain/failure.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** What write(2) does with the bytes it is given. */
const disk = vi.hoisted(() => ({ takes: 7 }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    writeSync: (file: number, data: Buffer | string, offset = 0) => {
      const bytes = Buffer.from(data);
      if (disk.takes === 0) throw Object.assign(new Error('write'), { code: 'ENOSPC' });
      return real.writeSync(file, bytes, offset, Math.min(disk.takes, bytes.length - offset));
    },
  };
});

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

function run() {
  const path = join(directory, 'journal.ndjson');
  const executions = new EmbeddedExecutions({
    clock: new VirtualClock(),
    tasks: () => Promise.resolve(),
    journal: () => new FileJournal(path),
  });
  const text = JSON.stringify({ StartAt: 'A', States: { A: { Type: 'Succeed' } } });
  return { path, result: executions.start(loadStateMachine(text, {}), 'run', {}).result };
}

/** Of this process, as Linux shows them. */
function openFiles(): string[] {
  const links = fs.readdirSync('/proc/self/fd').map((file) => `/proc/self/fd/${file}`);
  return links.filter((link) => fs.existsSync(link)).map((link) => fs.readlinkSync(link));
}

it('a disk that takes a few bytes at a time gets every line whole', async () => {
  disk.takes = 7;
  const { path, result } = run();
  expect(await result).toMatchObject({ status: 'SUCCEEDED' });
  expect(readJournal(path).map(({ type }) => type)).toContain('ExecutionSucceeded');
});

it('a full disk fails the execution by the name of that, with what to do about it', async () => {
  disk.takes = 0;
  const { path, result: running } = run();
  const result = await running;
  if (result.status === 'SUCCEEDED') expect.unreachable();
  else {
    const failure = nameFailure({ Error: result.error, Cause: result.cause });
    expect(failure).toMatchObject({ name: 'StorageFull', next: expect.stringContaining('Free space') as string });
    expect(failure.message).toContain('ENOSPC');
  }
  expect(openFiles()).not.toContain(path);
});
