import fc from 'fast-check';
import {
  Binary,
  BSON,
  BSONRegExp,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { documentLength, elements, findElement, findElements } from '../../../src/engine/bson/raw-document.ts';
import {
  arrayDocuments,
  readFlag,
  readInt64,
  readNumber,
  readString,
  readTimestamp,
  splitDocuments,
} from '../../../src/engine/bson/raw-values.ts';

const encode = (document: object): Buffer => Buffer.from(BSON.serialize(document, { ignoreUndefined: false }));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const cString = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''));

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, new MinKey(), new MaxKey(), ''),
  fc.double().map((value) => new Double(value)),
  fc.integer().map((value) => new Int32(value)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => Long.fromBigInt(value)),
  fc.string({ unit: 'grapheme' }),
  bytes.map((value) => new Binary(value, 0)),
  bytes.map((value) => new Binary(value, 2)),
  fc.tuple(uint32, uint32).map(([t, i]) => new Timestamp({ t, i })),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((value) => new ObjectId(value)),
  fc.constantFrom(Decimal128.fromString('1E-6176'), new BSONRegExp('^a', 'im'), new Code('x'), new Code('x', { y: 1 })),
  fc.constant(new DBRef('c', new ObjectId())),
);
const { document } = fc.letrec<{ value: unknown; document: Record<string, unknown> }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, tie('document'), fc.array(tie('value'), { maxLength: 4 })),
  document: fc.dictionary(cString, tie('value'), { maxKeys: 6 }),
}));

describe('raw BSON', () => {
  it('finds the elements that the bson library wrote, whatever their types, in order', () => {
    fc.assert(
      fc.property(document, fc.nat(3), (value, padding) => {
        const raw = encode(value);
        const buffer = Buffer.concat([Buffer.alloc(padding, 0xff), raw, Buffer.alloc(padding)]);
        const found = [...elements(buffer, padding)];
        const expected = Array.from(BSON.onDemand.parseToElements(raw) as Iterable<number[]>);
        expect(found.map(({ name }) => name)).toEqual(
          expected.map(([, offset = 0, length = 0]) => raw.toString('utf8', offset, offset + length)),
        );
        for (const [index, { end }] of found.entries())
          expect(end).toBe(found[index + 1]?.start ?? padding + raw.length - 1);
        expect(documentLength(buffer, padding)).toBe(raw.length);
      }),
      { numRuns: 500 },
    );
  });

  it('finds several elements at once, as each of them alone', () => {
    const names = ['ts', 't', 'a', 'toString'];
    const some = fc.subarray(names).chain((keys) => fc.shuffledSubarray(keys, { minLength: keys.length }));
    fc.assert(
      fc.property(document, some, document, (before, keys, after) => {
        const raw = encode({ ...before, ...Object.fromEntries(keys.map((key) => [key, before])), ...after });
        expect(findElements(raw, names)).toEqual(names.map((name) => findElement(raw, name)));
        const cut = Buffer.concat([raw.subarray(0, -1), Buffer.from([1])]);
        expect(() => findElements(cut, names)).toThrow(expect.objectContaining({ name: 'CorruptSource' }));
      }),
    );
    expect(findElements(encode({ a: 1 }), [])).toEqual([]);
  });

  it('splits documents that lie one after another, and those of an array', () => {
    fc.assert(
      fc.property(fc.array(document, { maxLength: 12 }), (values) => {
        const raws = values.map(encode);
        expect([...splitDocuments(Buffer.concat(raws))]).toEqual(raws);
        const outer = encode({ batch: values });
        const batch = findElement(outer, 'batch');
        expect(batch && [...arrayDocuments(outer, batch)]).toEqual(raws);
      }),
    );
  });

  it('reads values as they were written', () => {
    const value = {
      i: new Int32(-5),
      l: Long.fromString('9223372036854775807'),
      d: new Double(1.5),
      s: 'naïve\0☕',
      ts: new Timestamp({ t: 0xffff_fffe, i: 3 }),
      yes: true,
      no: 0,
    };
    const raw = encode(value);
    const at = (name: string) => findElement(raw, name) ?? expect.fail(name);
    expect(readNumber(raw, at('i'))).toBe(-5);
    expect(readInt64(raw, at('l'))).toBe(9223372036854775807n);
    expect(readNumber(raw, at('d'))).toBe(1.5);
    expect(readString(raw, at('s'))).toBe('naïve\0☕');
    expect(readTimestamp(raw, at('ts'))).toEqual({ t: 0xffff_fffe, i: 3 });
    expect([readFlag(raw, at('yes')), readFlag(raw, at('no')), readFlag(raw, undefined)]).toEqual([true, false, false]);
    expect(() => readString(raw, at('i'))).toThrow(expect.objectContaining({ name: 'CorruptSource' }));
  });

  it('answers damaged bytes with CorruptSource or elements inside the buffer, never with anything else', () => {
    fc.assert(
      fc.property(
        document,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (value, damage, cut) => {
          const raw = encode(value);
          for (const [at, byte] of damage) raw[at % raw.length] = byte;
          const buffer = raw.subarray(0, damage.length % 2 ? raw.length : cut % (raw.length + 1));
          try {
            for (const { end } of elements(buffer)) expect(end).toBeLessThan(buffer.length);
          } catch (error) {
            expect(error).toBeInstanceOf(HoldfastError);
            expect(error).toMatchObject({ name: 'CorruptSource' });
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
