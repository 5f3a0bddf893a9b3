import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bsonType, elements, findElement } from '../../../src/engine/bson/raw-document.ts';
import {
  arrayDocuments,
  readBinary,
  readFlag,
  readInt64,
  readNumber,
  readOpTime,
  readString,
  readTimestamp,
  splitDocuments,
  subDocument,
} from '../../../src/engine/bson/raw-values.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { FrameAssembler } from '../../../src/engine/packs/frame-assembler.ts';
import { operationsOf } from '../../../src/engine/replay/operation.ts';
import { readCorpus } from './corpus.ts';
import { garbage, mutated } from './mutations.ts';
import { type FuzzBudget, fuzz, typedOutcome } from './typed-outcome.ts';

const readers = [
  ...[readBinary, readFlag, readInt64, readNumber, readOpTime, readString, readTimestamp],
  (buffer: Buffer, element: Parameters<typeof subDocument>[1]) => [...arrayDocuments(buffer, element)],
];

/** Walks everything, and reads every element in every way. @returns bytes of values, each counted once per document */
async function walk(buffer: Buffer, depth = 0): Promise<number> {
  let bytes = 0;
  for (const element of elements(buffer)) {
    bytes += element.end - element.start;
    for (const read of readers) await typedOutcome(() => read(buffer, element), ['CorruptSource']);
    const nested = element.type === bsonType.document || element.type === bsonType.array;
    if (nested && depth < 20)
      await typedOutcome(() => walk(subDocument(buffer, element), depth + 1), ['CorruptSource']);
  }
  return bytes;
}

/** Reading BSON: what comes from a member (CorruptSource) and from slices. */
export function describeBsonFuzz(budget: FuzzBudget): void {
  describe('BSON walking', () => {
    const everyType = readCorpus('document-every-type.bson');

    it('reads the seed whole', async () => {
      expect(await walk(everyType)).toBe(everyType.length - 5);
    });

    it('refuses whatever does not add up, and never reads outside of the document', async () => {
      await fuzz(budget, fc.oneof(mutated(everyType), garbage), async (bytes) => {
        const walked = await typedOutcome(() => walk(bytes), ['CorruptSource']);
        if (walked !== undefined) expect(walked).toBe(bytes.readInt32LE(0) - 5);
        await typedOutcome(() => findElement(bytes, 'decimal'), ['CorruptSource']);
        await typedOutcome(() => [...splitDocuments(bytes)], ['CorruptSource']);
      });
    });

    it('assembles frames of exactly the documents of a batch, or refuses the batch', async () => {
      const batch = Buffer.from(everyType);
      await fuzz(budget, fc.oneof(mutated(batch), garbage), async (bytes) => {
        const frames: Buffer[] = [];
        const assembler = new FrameAssembler('shop.orders', ({ raw }) =>
          Promise.resolve(void frames.push(Buffer.from(raw))),
        );
        const add = () => assembler.add(Buffer.from(bytes), undefined, () => undefined);
        await typedOutcome(add, ['CorruptSource'], 'shop.orders');
        const documents = frames.flatMap((frame) => [...splitDocuments(frame)]);
        expect(documents.length).toBe(assembler.documents);
      });
    });
  });

  describe('oplog entries', () => {
    const seeds = [...splitDocuments(readCorpus('oplog-entries.bson'))];

    it('reads every seed', () => {
      for (const seed of seeds) expect([...operationsOf(readOplogEntry(seed))].length).toBeLessThan(2);
    });

    it('reads an entry, or says which one it cannot', async () => {
      await fuzz(budget, fc.oneof(...seeds.map(mutated), garbage), async (bytes) => {
        const read = () => [...operationsOf(readOplogEntry(bytes))];
        await typedOutcome(read, ['CorruptSource', 'UnsupportedOplogEntry']);
      });
    });
  });
}
