import { describe, expect, it } from 'vitest';
import { makeOutcome, mayDecide, mayDelete, mayWriteManifest } from '../../../src/domain/outcome.ts';
import { outcomeSchema } from '../../../src/domain/run.ts';

const at = new Date('2026-11-22T10:15:30Z');
const error = { name: 'StorageFull', code: 'HF-4003', message: 'm', next: 'n' };

describe('outcome of a run', () => {
  it('lets only complete decide that it completed', () => {
    const deciders = ['complete', 'failure', 'sweep'] as const;
    expect(deciders.filter((decider) => mayDecide(decider, 'completed'))).toEqual(['complete']);
    expect(deciders.filter((decider) => mayDecide(decider, 'failed'))).toEqual(['failure', 'sweep']);
    expect(deciders.filter((decider) => mayDecide(decider, 'cancelled'))).toEqual(['failure', 'sweep']);
    expect(() => makeOutcome('sweep', 'completed', at)).toThrow(/may not decide/);
  });

  it('has an error exactly when it did not complete', () => {
    expect(outcomeSchema.parse(makeOutcome('complete', 'completed', at)).error).toBeNull();
    expect(outcomeSchema.parse(makeOutcome('failure', 'failed', at, error)).error).toEqual(error);
    expect(() => makeOutcome('failure', 'failed', at)).toThrow(/needs an error/);
    expect(() => makeOutcome('complete', 'completed', at, error)).toThrow(/has no error/);
  });

  it('allows the manifest to the winner of completed only, and deletion to nobody before a decision', () => {
    const completed = makeOutcome('complete', 'completed', at);
    const cancelled = makeOutcome('failure', 'cancelled', at, error);
    expect([undefined, completed, cancelled].map(mayWriteManifest)).toEqual([false, true, false]);
    expect([undefined, completed, cancelled].map(mayDelete)).toEqual([false, false, true]);
  });
});
