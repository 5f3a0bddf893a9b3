import { describe, expect, it } from 'vitest';
import { damageIn } from '../../../src/engine/recover/hand-over.ts';

// As 6.0.5 says it of a collection whose documents are older than its validator.
const notCompliant =
  "Detected one or more documents not compliant with the collection's schema. Check logs for log id 5363500.";

describe('what validate says is damaged', () => {
  it('is nothing for documents that predate a validator', () => {
    expect(damageIn({ valid: true, errors: [] })).toBeUndefined();
    const indexDetails = { _id_: { valid: true } };
    expect(damageIn({ valid: false, errors: [notCompliant], indexDetails })).toBeUndefined();
  });

  it('is everything else, beside them too, and an invalid collection without a reason', () => {
    expect(damageIn({ valid: false, errors: [notCompliant, 'Detected 1 missing index entries.'] })).toBe(
      'Detected 1 missing index entries.',
    );
    expect(damageIn({ valid: false, errors: [notCompliant], indexDetails: { n: { valid: false } } })).toBe(
      'the index n is invalid',
    );
    expect(damageIn({ valid: false, errors: [] })).toBe('the server does not say what');
  });
});
