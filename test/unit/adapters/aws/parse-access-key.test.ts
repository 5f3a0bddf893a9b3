import { expect, test } from 'vitest';
import { parseAccessKey } from '../../../../src/adapters/aws/parse-access-key.ts';
import { Secret } from '../../../../src/domain/secret.ts';

const parse = (text: string) => parseAccessKey(new Secret(text));

test('an access key is ID:SECRET or JSON', () => {
  expect(parse('id:se:cret/+=')).toEqual({ accessKeyId: 'id', secretAccessKey: 'se:cret/+=' });
  expect(parse('{"accessKeyId":"id","secretAccessKey":"s"}')).toEqual({ accessKeyId: 'id', secretAccessKey: 's' });
  const temporary = { accessKeyId: 'id', secretAccessKey: 's', sessionToken: 't' };
  expect(parse(JSON.stringify(temporary))).toEqual(temporary);
});

test.each([
  'CANARY',
  ':CANARY',
  'CANARY:',
  '{"CANARY"',
  '{"accessKeyId":"CANARY"}',
  '{"accessKeyId":"i","secretAccessKey":"s","CANARY":1}',
])('%s is none, and is not quoted', (text) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'CredentialsUnavailable' }) as Error);
  expect(() => parse(text)).not.toThrow(/CANARY/);
});
