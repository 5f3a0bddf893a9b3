import { describe, expect, it } from 'vitest';
import { errorRegistry, exitCodes } from '../../../src/domain/error-registry.ts';
import { HoldfastError, isErrorName, isHoldfastError } from '../../../src/domain/errors.ts';

const entries = Object.entries(errorRegistry);

describe('the error registry', () => {
  it('gives every error a code of its own', () => {
    const codes = entries.map(([, { code }]) => code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(codes.filter((code) => !/^HF-\d{4}$/.test(code))).toEqual([]);
  });

  it('names errors so that a state machine cannot mistake them for its own', () => {
    expect(entries.map(([name]) => name).filter((name) => !/^[A-Z][A-Za-z]+$/.test(name))).toEqual([]);
  });

  it('says of every error what it means and what to do next, as sentences', () => {
    const bad = entries.filter(([, { title, next }]) => !/[.]$/.test(title) || !/[.]$/.test(next));
    expect(bad.map(([name]) => name)).toEqual([]);
  });

  it('has exit codes that differ, without 0, 1 and what shells use', () => {
    const codes = Object.values(exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.filter((code) => code < 2 || code > 125)).toEqual([]);
  });

  it('lends name, code, next step and exit code to the errors that are thrown', () => {
    const error = new HoldfastError('DeploymentBusy', 'run r1 holds it');
    expect(error).toMatchObject({ name: 'DeploymentBusy', code: 'HF-3001', exitCode: 4, retryable: false });
    expect(error.next).toBe(errorRegistry.DeploymentBusy.next);
    expect(isHoldfastError(error, 'DeploymentBusy')).toBe(true);
    expect(isHoldfastError(error, 'TargetBusy')).toBe(false);
    expect(isErrorName('toString')).toBe(false);
  });
});
