import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { asHoldfastError, failureCause, nameFailure } from '../../../src/domain/failure.ts';

const error = new HoldfastError('OplogGap', 'a hole', { next: 'start again' });

describe('a failure of a state machine', () => {
  test('keeps name, message and next step across a worker’s answer', () => {
    expect(nameFailure({ Error: 'OplogGap', Cause: failureCause(error) })).toEqual({
      name: 'OplogGap',
      code: 'HF-2009',
      message: 'a hole',
      next: 'start again',
    });
  });

  test('stays whole and within the limit of Step Functions, however much there is to say', () => {
    const long = new HoldfastError('VerificationFailed', 'missing: "a/b"\n'.repeat(100_000), {
      next: 'x'.repeat(9000),
    });
    const cause = JSON.stringify({ errorType: long.name, errorMessage: failureCause(long), trace: [] });
    expect(cause.length).toBeLessThan(32_768);
    const { message, next } = nameFailure({ Error: long.name, Cause: cause });
    expect(message).toMatch(/^missing: "a\/b"\n.*… \(1500000 characters\)$/s);
    expect(next).toMatch(/^x+…/);
  });

  test('keeps them inside what Lambda wraps around', () => {
    const cause = JSON.stringify({ errorType: 'OplogGap', errorMessage: failureCause(error), trace: [] });
    expect(nameFailure({ Error: 'OplogGap', Cause: cause })).toMatchObject({ message: 'a hole', next: 'start again' });
    const plain = JSON.stringify({ errorType: 'OplogGap', errorMessage: 'just text' });
    expect(nameFailure({ Error: 'OplogGap', Cause: plain }).message).toBe('just text');
  });

  test.each([
    ['States.HeartbeatTimeout', 'WorkerLost'],
    ['States.Timeout', 'StepTimedOut'],
    ['States.Runtime', 'Internal'],
    ['TypeError', 'Internal'],
    ['Lambda.TooManyRequestsException', 'Internal'],
  ])('%s is %s to people, and is still named', (name, product) => {
    const named = nameFailure({ Error: name, Cause: 'why' });
    expect(named.name).toBe(product);
    expect(named.message).toBe(`${name}: why`);
  });

  test('without a cause says what the error is', () => {
    expect(nameFailure({ Error: 'WorkerLost' }).message).toMatch(/disappeared/);
    expect(nameFailure({ Error: 'WorkerLost', Cause: '[1]' }).message).toBe('[1]');
  });
});

test('what is no error of the product is a defect, with the original as its cause', () => {
  const original = new TypeError('x is not a function');
  expect(asHoldfastError(original)).toMatchObject({ name: 'Internal', message: 'TypeError: x is not a function' });
  expect(asHoldfastError(original).cause).toBe(original);
  expect(asHoldfastError('text', 'WorkerFailed')).toMatchObject({ name: 'WorkerFailed', message: 'text' });
  expect(asHoldfastError(error)).toBe(error);
});
