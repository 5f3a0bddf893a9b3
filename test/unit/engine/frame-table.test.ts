import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IndexFrame, IndexPiece } from '../../../src/domain/backup-index.ts';
import { FrameTable } from '../../../src/engine/packs/frame-table.ts';

const number = fc.nat({ max: 2 ** 31 });
const place = {
  pack: fc.constantFrom('0001-00001', '0001-00002', '0002-00001'),
  offset: fc.nat({ max: 2 ** 40 }),
  ...{ length: number, rawLength: number },
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
};
const name = fc.constantFrom('shop.orders', 'shop.ring', 'shop.größe');
const anyFrame: fc.Arbitrary<IndexFrame> = fc.record({
  ...{ kind: fc.constant('frame'), ns: name, documents: number },
  ...place,
});
const anyPiece: fc.Arbitrary<IndexPiece> = fc.record({
  ...{ kind: fc.constant('piece'), file: name, fileOffset: fc.nat({ max: 2 ** 44 }) },
  ...place,
});

function tableOf(frames: readonly IndexFrame[]): FrameTable<IndexFrame> {
  const table = new FrameTable<IndexFrame>('frame');
  for (const frame of frames) table.add(frame);
  return table;
}

describe('a table of frames', () => {
  it('gives back what was added, in its order', () => {
    fc.assert(
      fc.property(fc.array(anyFrame), (frames) => {
        const table = tableOf(frames);
        expect([...table]).toEqual(frames);
        expect(table.length).toBe(frames.length);
      }),
    );
    fc.assert(
      fc.property(fc.array(anyPiece), (pieces) => {
        const table = new FrameTable<IndexPiece>('piece');
        for (const piece of pieces) table.add(piece);
        expect([...table]).toEqual(pieces);
      }),
    );
  });

  it('finds those of one namespace, and their bytes', () => {
    fc.assert(
      fc.property(fc.array(anyFrame), name, (frames, ns) => {
        const wanted = frames.filter((frame) => frame.ns === ns);
        const table = tableOf(frames);
        expect([...table.of(ns)]).toEqual(wanted);
        expect(table.rawBytesByName().get(ns) ?? 0).toBe(wanted.reduce((sum, { rawLength }) => sum + rawLength, 0));
      }),
    );
    expect([...tableOf([]).of('shop.none')]).toEqual([]);
  });

  it('walks through the packs, each from its start to its end', () => {
    fc.assert(
      fc.property(fc.array(anyFrame), name, (frames, ns) => {
        const sorted = frames
          .filter((frame) => frame.ns !== ns)
          .sort((a, b) => (a.pack < b.pack ? -1 : a.pack > b.pack ? 1 : a.offset - b.offset));
        expect([...tableOf(frames).inPackOrder((one) => one !== ns)]).toEqual(sorted);
      }),
    );
  });

  it('holds more than one piece of its memory', () => {
    const frame = fc.sample(anyFrame, 1)[0] as IndexFrame;
    const many = Array.from({ length: 40_000 }, (_, offset) => ({ ...frame, offset }));
    const table = tableOf(many);
    expect(table.length).toBe(many.length);
    expect([...table].every(({ offset }, row) => offset === row)).toBe(true);
  });
});
