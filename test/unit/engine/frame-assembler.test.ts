import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { rawArray } from '../../../src/engine/bson/raw-builder.ts';
import { type AssembledFrame, FrameAssembler } from '../../../src/engine/packs/frame-assembler.ts';

const document = (size: number, n: number): Buffer => {
  const empty = BSON.calculateObjectSize({ n, s: '' });
  return Buffer.from(BSON.serialize({ n, s: 'x'.repeat(Math.max(0, size - empty)) }));
};

/** A batch as the server sends it: a BSON array, somewhere in a reply. */
const batchOf = (documents: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.alloc(3, 0xff), rawArray(documents)]).subarray(3);

/** The position of batch `n` is the byte `n`. */
async function assemble(batches: readonly Buffer[]) {
  const frames: AssembledFrame[] = [];
  const released: number[] = [];
  const assembler = new FrameAssembler('shop.orders', (frame) => Promise.resolve(void frames.push(frame)));
  for (const [n, batch] of batches.entries()) await assembler.add(batch, Buffer.from([n]), () => released.push(n));
  return { frames, released, assembler };
}

const megabyte = 1024 * 1024;

describe('FrameAssembler', () => {
  it('makes a frame of every batch that holds a document, with all of its documents in their order', async () => {
    const size = fc.oneof(
      { weight: 60, arbitrary: fc.integer({ min: 20, max: 3000 }) },
      { weight: 3, arbitrary: fc.integer({ min: megabyte, max: 3 * megabyte }) },
      { weight: 1, arbitrary: fc.constant(9 * megabyte) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(size, { maxLength: 60 }), { maxLength: 4 }), async (batches) => {
        let n = 0;
        const filled = batches.map((sizes) => sizes.map((bytes) => document(bytes, n++)));
        const { frames, released, assembler } = await assemble(filled.map(batchOf));
        const expected = filled.entries().filter(([, documents]) => documents.length > 0);
        for (const [index, [position, documents]] of [...expected].entries()) {
          expect(frames[index]?.raw.equals(Buffer.concat(documents))).toBe(true);
          expect(frames[index]).toMatchObject({ documents: documents.length, position: Buffer.from([position]) });
        }
        expect(assembler.documents).toBe(n);
        expect(assembler.rawBytes).toBe(Buffer.concat(filled.flat()).length);
        // The memory of a batch without documents is free at once, that of a frame when the frame is.
        for (const frame of frames) frame.release();
        expect(released.sort((a, b) => a - b)).toEqual(batches.map((_, index) => index));
      }),
      { numRuns: 15 },
    );
  });

  it('copies nothing to other memory', async () => {
    const batch = batchOf([document(100, 1), document(100, 2)]);
    const { frames } = await assemble([batch]);
    expect(frames[0]?.raw.buffer).toBe(batch.buffer);
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
