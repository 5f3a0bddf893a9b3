import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { rawArray } from '../../../src/engine/bson/raw-builder.ts';
import {
  type AssembledFrame,
  FrameAssembler,
  roomyFrameBytes,
  targetFrameBytes,
} from '../../../src/engine/packs/frame-assembler.ts';

const document = (size: number, n: number): Buffer => {
  const empty = BSON.calculateObjectSize({ n, s: '' });
  return Buffer.from(BSON.serialize({ n, s: 'x'.repeat(Math.max(0, size - empty)) }));
};

/** A batch as the server sends it: a BSON array, somewhere in a reply. */
const batchOf = (documents: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.alloc(3, 0xff), rawArray(documents)]).subarray(3);

/** The position of batch `n` is the byte `n`. */
async function assemble(batches: readonly Buffer[]): Promise<{ frames: AssembledFrame[]; assembler: FrameAssembler }> {
  const frames: AssembledFrame[] = [];
  const assembler = new FrameAssembler('shop.orders', (frame) => Promise.resolve(void frames.push(frame)));
  for (const [n, batch] of batches.entries()) await assembler.add(batch, Buffer.from([n]));
  await assembler.flush();
  return { frames, assembler };
}

const megabyte = 1024 * 1024;

describe('FrameAssembler', () => {
  it('puts every document, whatever the sizes and batches, into frames in their order', async () => {
    const size = fc.oneof(
      { weight: 60, arbitrary: fc.integer({ min: 20, max: 3000 }) },
      { weight: 3, arbitrary: fc.integer({ min: megabyte, max: 3 * megabyte }) },
      { weight: 1, arbitrary: fc.integer({ min: targetFrameBytes - 2, max: targetFrameBytes + 2 }) },
      { weight: 1, arbitrary: fc.constant(9 * megabyte) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(size, { maxLength: 60 }), { maxLength: 4 }), async (batches) => {
        let n = 0;
        const documents = batches.map((sizes) => sizes.map((bytes) => document(bytes, n++)));
        const { frames, assembler } = await assemble(documents.map(batchOf));
        const all = Buffer.concat(documents.flat());
        expect(Buffer.concat(frames.map(({ raw }) => raw)).equals(all)).toBe(true);
        expect(assembler.documents).toBe(n);
        expect(assembler.rawBytes).toBe(all.length);
        expect(frames.reduce((sum, frame) => sum + frame.documents, 0)).toBe(n);
        for (const { raw, documents: count } of frames) expect(raw.length <= roomyFrameBytes || count === 1).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it('knows for a frame where the scan goes on behind it, exactly when it ends with a batch', async () => {
    const size = fc.oneof(
      { weight: 30, arbitrary: fc.integer({ min: 20, max: 30_000 }) },
      { weight: 4, arbitrary: fc.integer({ min: megabyte / 2, max: 3 * megabyte }) },
      { weight: 1, arbitrary: fc.constant(5 * megabyte) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(size, { maxLength: 20 }), { maxLength: 8 }), async (batches) => {
        const filled = batches.map((sizes, n) => sizes.map((bytes) => document(bytes, n)));
        const { frames } = await assemble(filled.map(batchOf));
        const ends = filled.map((_, n) => filled.slice(0, n + 1).flat().length);
        let documents = 0;
        for (const frame of frames) {
          documents += frame.documents;
          // A batch without documents moves nothing: any position behind the same document is as good.
          if (frame.position) expect(documents).toBe(ends[frame.position[0] ?? 0]);
          else expect(ends).not.toContain(documents);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('keeps batches of the usual size whole, so that every frame ends where the scan can go on', async () => {
    const batches = [1, 2, 3, 4, 5].map((n) => batchOf(Array.from({ length: 42 }, () => document(100_000 + n, n))));
    const { frames } = await assemble(batches);
    expect(frames.map(({ position }) => position?.[0])).toEqual([0, 1, 2, 3, 4]);
  });

  it('gives a small collection a frame of its own size', async () => {
    const { frames } = await assemble([batchOf([document(100, 1), document(100, 2)])]);
    expect(frames[0]?.raw.buffer.byteLength).toBeLessThan(1000);
  });

  it.each([
    ['a length beyond the batch', (batch: Buffer) => batch.writeInt32LE(5000, 7)],
    ['a length of nothing', (batch: Buffer) => batch.writeInt32LE(4, 7)],
    ['a negative length', (batch: Buffer) => batch.writeInt32LE(-1, 7)],
    ['no terminator', (batch: Buffer) => (batch[106] = 1)],
    ['an element that is no document', (batch: Buffer) => (batch[4] = 2)],
  ])('refuses %s, naming the collection', async (_, damage) => {
    const batch = batchOf([document(100, 1), document(100, 2)]);
    damage(batch);
    await expect(assemble([batch])).rejects.toMatchObject({
      name: 'CorruptSource',
      message: expect.stringContaining('shop.orders') as string,
    });
  });

  it('answers damaged batches with CorruptSource or documents, never with anything else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }), async (damage) => {
        const batch = Buffer.from(batchOf([document(40, 1), document(60, 2), document(50, 3)]));
        for (const [at, byte] of damage) batch[at % batch.length] = byte;
        const outcome = await assemble([batch]).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          expect(outcome).toBeInstanceOf(HoldfastError);
          expect(outcome).toMatchObject({ name: 'CorruptSource' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
