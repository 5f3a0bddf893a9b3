import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';
import { maxIndexBytes } from '../../src/domain/backup-index.ts';

const run = promisify(execFile);
const readIndex = join(import.meta.dirname, '../support/read-large-index.ts');
const writeBaseOf = join(import.meta.dirname, '../support/write-large-base.ts');

const frameBytes = 4 * 1024 * 1024;
const framesOf = (terabytes: number) => Math.ceil((terabytes * 1e12) / frameBytes);
/** A quarter of the heap of a worker: what grows with the data is not in it. */
const smallHeap = ['--max-old-space-size=48'];

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-index-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

test.each(['frames', 'pieces'])(
  'an index of 2 TB in %s is written, read and walked through in a small heap',
  async (kind) => {
    const frames = framesOf(2);
    const { stdout } = await run(process.execPath, [...smallHeap, ...[readIndex, root, kind, String(frames)]]);
    // Four frames of 4 MiB are a run, and none goes on in the next pack.
    expect(Number(stdout)).toBe(Math.floor(frames / 64) * 16 + Math.ceil((frames % 64) / 4));
  },
);

interface LargeBase {
  readonly lines: number;
  readonly textBytes: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly peakMiB: number;
}

async function writeBase(kind: string, frames: number, flags: readonly string[]): Promise<LargeBase> {
  const args = [...flags, writeBaseOf, root, kind, String(frames)];
  const base = JSON.parse((await run(process.execPath, args)).stdout) as LargeBase;
  console.log(`${frames} ${kind}: ${JSON.stringify(base)}`);
  return base;
}

test.each(['frames', 'pieces'])(
  'a base of 2 TB in %s is packed, written down, continued and indexed in a small heap',
  async (kind) => {
    const frames = framesOf(2);
    const { lines, records, textBytes, recordBytes } = await writeBase(kind, frames, smallHeap);
    expect(lines).toBe(frames);
    // One for each pack and a few more: none says again what another said.
    expect(records).toBeLessThan(frames / 48 + 10);
    expect(recordBytes).toBeLessThan(2 * textBytes);
  },
);

test('a base of 16 TB is so in the heap of a worker, and its index is not too large', async () => {
  const { lines, textBytes } = await writeBase('frames', framesOf(16), workerFlags);
  expect(lines).toBe(framesOf(16));
  expect(textBytes).toBeLessThan(maxIndexBytes);
});
