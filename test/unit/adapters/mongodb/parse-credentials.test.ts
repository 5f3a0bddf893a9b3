import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCredentials } from '../../../../src/adapters/mongodb/parse-credentials.ts';
import { resolveCredentials } from '../../../../src/adapters/mongodb/resolve-credentials.ts';
import type { HoldfastError } from '../../../../src/domain/errors.ts';
import { Secret } from '../../../../src/domain/secret.ts';

const parse = (text: string) => parseCredentials(new Secret(text));

describe('parseCredentials', () => {
  it('takes everything after the first colon as the password', () => {
    expect(parse('ann:p:a@/ss')).toMatchObject({ username: 'ann', password: 'p:a@/ss', authSource: undefined });
  });

  it('reads JSON', () => {
    const text = '{"username":"a:n","password":"p","authSource":"shop","authMechanism":"SCRAM-SHA-1"}';
    expect(parse(text)).toMatchObject({
      username: 'a:n',
      password: 'p',
      authSource: 'shop',
      authMechanism: 'SCRAM-SHA-1',
    });
  });

  it('reads user, password and authentication options of a URI, and nothing else', () => {
    expect(parse('mongodb://a%40b:p%3A@elsewhere:1/shop?authMechanism=SCRAM-SHA-256&tls=true')).toEqual({
      username: 'a@b',
      password: 'p:',
      authSource: 'shop',
      authMechanism: 'SCRAM-SHA-256',
      tlsCertificateKeyFile: undefined,
    });
    expect(parse('mongodb://a:b@h/shop?authSource=admin').authSource).toBe('admin');
  });

  it('reads a client certificate as X.509', () => {
    expect(parse('mongodb://h/?tlsCertificateKeyFile=/etc/key.pem')).toMatchObject({
      username: undefined,
      authMechanism: 'MONGODB-X509',
      tlsCertificateKeyFile: '/etc/key.pem',
    });
  });

  it('takes any user without a colon and any password (property)', () => {
    const text = fc.string({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(text, text, (user, password) => {
        fc.pre(!user.includes(':') && !user.startsWith('{') && !/^mongodb/i.test(user));
        expect(parse(`${user}:${password}`)).toMatchObject({ username: user, password });
      }),
    );
  });

  it.each([
    'hunter2',
    ':hunter2',
    'hunter2:',
    '{hunter2',
    '{"username":"u"}',
    '{"username":"u","password":"hunter2","extra":"hunter2"}',
    'mongodb://h/hunter2',
    'mongodb://u:hunt/er2@h',
    'mongodb+srv://u:hunter2@h',
  ])('refuses %s without repeating it', (text) => {
    try {
      parse(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ name: 'CredentialsUnavailable' });
      const { message, next, details } = error as HoldfastError;
      expect(`${message} ${next} ${JSON.stringify(details)}`).not.toMatch(/hunt|er2/);
    }
  });
});

describe('resolveCredentials', () => {
  it('reads an environment variable, without its last line break', async () => {
    const secret = await resolveCredentials({ env: 'X' }, { environment: { X: 'a:b\n' } });
    expect(secret?.reveal()).toBe('a:b');
    expect(String(secret)).toBe('[redacted]');
  });

  it('has none where none is configured', async () => {
    expect(await resolveCredentials(undefined)).toBeUndefined();
  });

  it.each([
    [{}, /environment variable X with the credentials is not set/],
    [{ X: '' }, /is empty/],
    [{ X: '\n' }, /is empty/],
  ])('fails on %o', async (environment, message) => {
    await expect(resolveCredentials({ env: 'X' }, { environment })).rejects.toMatchObject({
      name: 'CredentialsUnavailable',
      message: expect.stringMatching(message) as string,
    });
  });

  it('says that an ARN is not read in embedded mode', async () => {
    await expect(resolveCredentials('arn:aws:secretsmanager:eu-central-1:1:secret:x')).rejects.toThrow(/embedded mode/);
  });
});
