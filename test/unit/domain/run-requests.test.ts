import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { backupRequestSchema, restoreRequestSchema } from '../../../src/domain/run.ts';
import { objectUri, type StorageSettings } from '../../../src/domain/settings.ts';

const problemOf = (schema: z.ZodType, input: unknown): string => {
  const { error } = schema.safeParse(input);
  return error === undefined ? '' : z.prettifyError(error);
};

describe('the input that somebody writes by hand', () => {
  test.each([{}, { deployment: 'orders' }, { Comment: 'Insert your JSON here' }])('%j is enough', (input) => {
    expect(problemOf(backupRequestSchema, input)).toBe('');
  });

  test.each([
    [
      { deploymnt: 'orders' },
      /there is no "deploymnt"; there is deployment, method, .*Write for example {"deployment":"orders"}/,
    ],
    ['orders', /expected an object, for example {"deployment":"orders"}/],
    [[], /expected an object/],
    [{ deployment: 3 }, /expected string, received number\s+→ at deployment/],
    [{ method: 'dump' }, /"snapshot"\|"physical"\|"logical"\s+→ at method/],
  ])('%j of a backup is refused, and it is said what to write', (input, problem) => {
    expect(problemOf(backupRequestSchema, input)).toMatch(problem);
  });

  test.each([
    [{ backup: 'orders' }, /→ at to/],
    [{ backup: 'orders', to: 'mongodb://me:hunter2@h/' }, /without user and password/],
    [{ backup: 'orders', to: 'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2' }, /holds a secret/],
    [{ backup: 'orders', target: 'mongodb://h/' }, /there is no "target"; there is backup, .*"to":"mongodb:/],
  ])('%j of a restore is refused, and what was written is not repeated', (input, problem) => {
    expect(problemOf(restoreRequestSchema, input)).toMatch(problem);
    expect(problemOf(restoreRequestSchema, input)).not.toContain('hunter2');
  });
});

describe('the URI of an object', () => {
  const s3 = { name: 'a', type: 's3', bucket: 'b', prefix: 'p/', forcePathStyle: false } as const;
  test.each<[StorageSettings, string]>([
    [s3, 's3://b/p/orders/manifest.json'],
    [{ ...s3, endpoint: 'https://minio:9000/' }, 'https://minio:9000/b/p/orders/manifest.json'],
    [{ name: 'a', type: 'directory', path: '/my backups' }, 'file:///my%20backups/orders/manifest.json'],
  ])('%j', (storage, uri) => {
    expect(objectUri(storage, 'orders/manifest.json')).toBe(uri);
  });
});
