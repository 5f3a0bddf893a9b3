import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const run = promisify(execFile);
const script = join(import.meta.dirname, '../support/read-large-index.ts');

/** A fifth of 10 TB in frames of 4 MiB, in a fifth of the heap of a worker: what grows with the data is not in it. */
const frames = 500_000;
const heapMiB = 38;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-index-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

test.each(['frames', 'pieces'])(
  'an index of 2 TB in %s is written, read and walked through in a small heap',
  async (kind) => {
    const flags = [`--max-old-space-size=${heapMiB}`];
    const { stdout } = await run(process.execPath, [...flags, script, root, kind, String(frames)]);
    // Four frames of 4 MiB are a run, and none goes on in the next pack.
    expect(Number(stdout)).toBe(Math.ceil(frames / 64) * 16 - (64 - (frames % 64 || 64)) / 4);
  },
);
