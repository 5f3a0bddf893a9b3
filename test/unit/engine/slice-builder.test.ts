import { randomBytes } from 'node:crypto';
import { Binary, BSON, Long, Timestamp } from 'bson';
import { describe, expect, it } from 'vitest';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { SliceBuilder } from '../../../src/engine/oplog/slice-builder.ts';
import { decodeSlice } from '../../../src/engine/oplog/slice-format.ts';
import { zstdContentSize, zstdFrameLength } from '../../../src/engine/packs/zstd-frames.ts';

const origin = { member: 'h:1', serverVersion: '6.0.5', run: 'run', fence: 1 };

function entry(t: number, bytes: number): Buffer {
  const o = { _id: t, bytes: new Binary(randomBytes(bytes)) };
  return Buffer.from(BSON.serialize({ op: 'i', ns: 'shop.items', o, ts: new Timestamp({ t, i: 1 }), t: Long.ONE }));
}

const mebibyte = 1024 * 1024;

describe('slices that are built one after the other', () => {
  it.each([
    ['small', [10, 20, 30, 40, 50]],
    ['large', [3 * mebibyte, 2 * mebibyte, 5 * mebibyte, 2 * mebibyte]],
    ['large and small', [10, 2 * mebibyte, 20, 2 * mebibyte, 3 * mebibyte, 30, mebibyte, mebibyte - 200, 40]],
  ])('begin each with the last entry of the one before: %s entries', async (_what, sizes) => {
    const entries = sizes.map((bytes, n) => entry(n + 1, bytes));
    let builder = new SliceBuilder(origin, []);
    const found: Buffer[][] = [];
    for (const [n, raw] of entries.entries()) {
      // As in a reply whose memory is used again.
      const reply = Buffer.from(raw);
      await builder.append(readOplogEntry(reply));
      reply.fill(0);
      // A slice of two, then one of three, and so on: each kind of entry is the shared one.
      if (builder.entries < 2 + (found.length % 2) && n + 1 < entries.length) continue;
      const made = await builder.finish();
      if (!made) throw new TypeError('a slice without entries');
      builder = builder.next(made.body);
      found.push([...(await decodeSlice('k', made.body)).entries]);
      made.body.fill(0);
    }
    const all = found.flatMap((slice, n) => (n === 0 ? slice : slice.slice(1)));
    expect(found.length).toBeGreaterThan(1);
    for (const [n, slice] of found.entries())
      if (n > 0) expect(slice[0]?.equals(found[n - 1]?.at(-1) ?? Buffer.alloc(0))).toBe(true);
    expect(Buffer.concat(all).equals(Buffer.concat(entries))).toBe(true);
  });

  it('hold frames that say how much is in them', async () => {
    const sizes = [10, 200, 300, 70_000, 2 * mebibyte];
    const builder = new SliceBuilder(origin, []);
    const entries = sizes.map((bytes, n) => entry(n + 1, bytes));
    for (const raw of entries) await builder.append(readOplogEntry(raw));
    const { body } = (await builder.finish()) ?? { body: Buffer.alloc(0) };
    const contents: (number | undefined)[] = [];
    for (let at = zstdFrameLength(body); at < body.length; at += zstdFrameLength(body, at))
      contents.push(zstdContentSize(body.subarray(at)));
    const small = entries.slice(0, -1).reduce((total, { length }) => total + length, 0);
    expect(contents).toEqual([small, entries.at(-1)?.length]);
  });
});
