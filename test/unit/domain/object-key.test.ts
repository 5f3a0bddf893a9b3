import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertObjectKey, compareObjectKeys } from '../../../src/domain/object-key.ts';

describe('compareObjectKeys', () => {
  it('orders as the bytes of UTF-8 do', () => {
    const key = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text.isWellFormed());
    const twins = fc.tuple(key, key, key).map(([start, a, b]) => [start + a, start + b] as const);
    fc.assert(
      fc.property(twins, ([a, b]) => {
        expect(Math.sign(compareObjectKeys(a, b))).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
      { numRuns: 1000, examples: [[['\u{1f600}', '\uff5e']], [['\ue000', '\ud7ff']], [['a', 'a']]] },
    );
  }, 60_000);
});

describe('assertObjectKey', () => {
  it('accepts no key that names something else once it is a path', () => {
    const segment = fc.oneof(
      fc.constantFrom('', '.', '..', 'a', '\0', 'b\\c'),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
        const key = segments.join('/');
        try {
          assertObjectKey(key);
        } catch {
          return;
        }
        expect(posix.normalize(`/root/${key}`)).toBe(`/root/${key}`);
        expect(key.split('/').every((one) => one !== '' && one !== '.' && one !== '..')).toBe(true);
      }),
    );
  }, 60_000);
});
