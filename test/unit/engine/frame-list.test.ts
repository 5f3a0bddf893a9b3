import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsFrameList, FrameList } from '../../../src/engine/packs/frame-list.ts';
import type { WrittenFrame } from '../../../src/engine/packs/frame-writer.ts';
import { NumberedNames } from '../../../src/engine/packs/numbered-names.ts';

const number = fc.nat({ max: 2 ** 32 - 1 });
const anyFrame: fc.Arbitrary<WrittenFrame> = fc.record({
  pack: fc.constantFrom('0001-00001', '0001-00002', '0002-00001'),
  ...{ offset: number, length: fc.integer({ min: 1, max: 2 ** 32 - 1 }), rawLength: number, documents: number },
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
});
/** In the order that they come, each to its place. */
const shuffled = fc
  .array(anyFrame, { maxLength: 40 })
  .chain((frames) => fc.tuple(fc.constant(frames), fc.shuffledSubarray([...frames.keys()])));

const newList = () => new FrameList(new NumberedNames());

describe('a list of frames', () => {
  it('gives each back at its place, whatever the order in which they came', () => {
    fc.assert(
      fc.property(shuffled, ([frames, order]) => {
        const list = newList();
        for (const ordinal of order) list.set(ordinal, frames[ordinal] as WrittenFrame);
        const taken = new Set(order);
        for (const [ordinal, frame] of frames.entries())
          expect(list.get(ordinal)).toEqual(taken.has(ordinal) ? frame : undefined);
        expect(list.count).toBe(taken.size);
        expect(list.length).toBe(Math.max(-1, ...order) + 1);
        expect(list.firstGap()).toBe([...frames.keys(), frames.length].find((ordinal) => !taken.has(ordinal)));
        if (list.count === list.length) expect([...list]).toEqual(frames.slice(0, list.length));
        else expect(() => [...list]).toThrow('never stored');
      }),
    );
  });

  it('forgets what is cut off, and says what the rest is', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame),
        fc.nat({ max: 40 }),
        fc.nat({ max: 40 }),
        anyFrame,
        (frames, keep, from, more) => {
          const list = newList();
          for (const [ordinal, frame] of frames.entries()) list.set(ordinal, frame);
          list.truncate(keep);
          const kept = frames.slice(0, keep);
          expect([...list]).toEqual(kept);
          expect(list.count).toBe(kept.length);
          const counted = kept.slice(from);
          expect(list.totals(from)).toEqual({
            documents: counted.reduce((sum, { documents }) => sum + documents, 0),
            rawBytes: counted.reduce((sum, { rawLength }) => sum + rawLength, 0),
          });
          const packs = new Set<string>();
          list.addPacksTo(packs);
          expect(packs).toEqual(new Set(kept.map(({ pack }) => pack)));
          list.set(kept.length, more);
          expect([...list]).toEqual([...kept, more]);
        },
      ),
    );
  });

  it('holds more than one piece of its memory, and gives pieces back', () => {
    const frame = { ...(fc.sample(anyFrame, 1)[0] as WrittenFrame), rawLength: 1 };
    const list = newList();
    for (let offset = 0; offset < 40_000; offset++) list.set(offset, { ...frame, offset });
    expect(list.totals(30_000).rawBytes).toBe(10_000);
    list.truncate(20_000);
    for (let offset = 20_000; offset < 35_000; offset++) list.set(offset, { ...frame, offset });
    expect([...list].every(({ offset }, ordinal) => offset === ordinal)).toBe(true);
    expect(list.length).toBe(35_000);
  });

  it('says what it cannot hold', () => {
    const frame = { ...(fc.sample(anyFrame, 1)[0] as WrittenFrame), length: 1 };
    expect(fitsFrameList(frame)).toBe(true);
    expect(fitsFrameList({ ...frame, length: 0 })).toBe(false);
    for (const name of ['offset', 'length', 'rawLength', 'documents'])
      expect(fitsFrameList({ ...frame, [name]: 2 ** 32 })).toBe(false);
  });
});
