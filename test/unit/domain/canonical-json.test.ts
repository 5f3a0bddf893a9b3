import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../src/domain/canonical-json.ts';

function shuffleKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffleKeys);
  if (typeof value !== 'object' || value === null) return value;
  const shuffled: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value).reverse()) {
    Object.defineProperty(shuffled, key, { value: shuffleKeys(member), enumerable: true });
  }
  return shuffled;
}

describe('canonicalJson', () => {
  it('sorts keys at every level and writes no spaces', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x', 10: true, 9: 1.5 })).toBe(
      '{"10":true,"9":1.5,"a":"x","b":[{"c":null,"d":1}]}',
    );
  });

  it('leaves out what is undefined, as JSON does', () => {
    expect(canonicalJson({ a: undefined, b: [undefined] })).toBe('{"b":[null]}');
  });

  it('is JSON of the same value, whatever the order of keys (property)', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(shuffleKeys(value))).toBe(text);
      }),
    );
  });
});
