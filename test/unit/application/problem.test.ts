import { describe, expect, test } from 'vitest';
import { problemOf, statusOf } from '../../../src/application/api/problem.ts';
import { problemSchema } from '../../../src/application/api/schemas.ts';
import { type ErrorName, errorRegistry } from '../../../src/domain/error-registry.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

const names = Object.keys(errorRegistry) as ErrorName[];

describe('a problem', () => {
  test.each<[ErrorName, number]>([
    ['InvalidInput', 400],
    ['MethodNotAvailable', 400],
    ['UnknownDeployment', 404],
    ['UnknownBackup', 404],
    ['DeploymentBusy', 409],
    ['StorageUnavailable', 503],
    ['StepTimedOut', 503],
    ['StorageAccessDenied', 500],
    ['VerificationFailed', 500],
    ['InvalidConfig', 500],
    ['Internal', 500],
  ])('of %s has the status %i', (name, status) => {
    expect(statusOf(name)).toBe(status);
  });

  test.each(names)('of %s has what RFC 9457 and the documents promise', (name) => {
    const problem = problemOf(new HoldfastError(name, 'what is wrong'), 'request-1');
    expect(problemSchema.parse(problem)).toEqual(problem);
    expect(problem).toMatchObject({ code: errorRegistry[name].code, title: errorRegistry[name].title });
    expect(problem.type).toBe(`urn:holdfast:error:${problem.code.toLowerCase()}`);
  });

  test('holds no connection string with credentials, and nothing of a defect', () => {
    const secret = 'mongodb://me:hunter2@h:1/';
    const context = { next: `Try ${secret}` };
    for (const name of ['TargetUnreachable', 'Internal'] as const) {
      expect(JSON.stringify(problemOf(new HoldfastError(name, `no answer of ${secret}`, context), 'r'))).not.toMatch(
        /hunter2/,
      );
    }
    expect(problemOf(new HoldfastError('Internal', 'x is not a function'), 'r').detail).not.toContain('function (');
    expect(problemOf(new HoldfastError('Internal', 'TypeError: x'), 'r').detail).not.toContain('TypeError');
  });
});
