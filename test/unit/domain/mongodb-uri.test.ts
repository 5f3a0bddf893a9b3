import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { parseMongoUri, redactText, redactUri } from '../../../src/domain/mongodb-uri.ts';

const problemOf = (uri: string): HoldfastError => {
  try {
    parseMongoUri(uri);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
  }
  throw new Error(`${uri} was accepted`);
};

describe('parseMongoUri', () => {
  it('takes hosts, database, options and user apart', () => {
    const uri = parseMongoUri('mongodb://us%40er:p%3Aw@a,b:27018,[::1]:5/shop?replicaSet=rs0&authSource=admin');
    expect(uri).toMatchObject({
      hosts: ['a:27017', 'b:27018', '[::1]:5'],
      database: 'shop',
      username: 'us@er',
      password: 'p:w',
    });
    expect([...uri.options]).toEqual([
      ['replicaset', 'rs0'],
      ['authsource', 'admin'],
    ]);
  });

  it('reads a bare host as one with the default port and without user', () => {
    expect(parseMongoUri('mongodb://h')).toEqual({
      hosts: ['h:27017'],
      database: undefined,
      options: new Map(),
      username: undefined,
      password: undefined,
    });
  });

  it.each([
    ['http://h', /does not start with mongodb/],
    ['mongodb+srv://h', /srv is not in this release/],
    ['mongodb://', /no host/],
    ['mongodb://a,,b', /no host/],
    ['mongodb://h:0', /no host/],
    ['mongodb://h:65536', /no host/],
    ['mongodb://h/?replicaSet', /has no value/],
    ['mongodb://u%zz@h', /escape/],
    ['mongodb://u:a@b@h', /more than one @/],
    ['mongodb://u:a/b@h', /no host|follows a/],
  ])('refuses %s and says why', (uri, message) => {
    const error = problemOf(uri);
    expect(error.name).toBe('InvalidInput');
    expect(error.message).toMatch(message);
    expect(error.next).not.toBe('');
  });

  it('finds again what was put in (property)', () => {
    const word = fc.stringMatching(/^[\x20-\x7e]{1,12}$/);
    fc.assert(
      fc.property(word, word, (user, password) => {
        const uri = `mongodb://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h:1/`;
        expect(parseMongoUri(uri)).toMatchObject({ username: user, password });
      }),
    );
  });
});

describe('redactUri', () => {
  // Letters that appear nowhere else in what is shown.
  const secret = fc.stringMatching(/^[QXZ]{6,12}$/);
  const mark = fc.constantFrom('', '@', '/', '?', '#', ':', '%', '&', '=', '@@', '/@', '?@');

  it('hides user and password, however badly they are escaped (property)', () => {
    fc.assert(
      fc.property(secret, mark, secret, (head, between, tail) => {
        const shown = redactUri(`mongodb://user:${head}${between}${tail}@host:27017/db?replicaSet=rs0`);
        expect(shown).not.toMatch(/[QXZ]{3}/);
        expect(shown).toContain('host:27017');
      }),
    );
  });

  it('hides secret options and keeps the others', () => {
    expect(redactUri('mongodb://h/?tlsCertificateKeyFilePassword=QQQ&replicaSet=rs0')).toBe(
      'mongodb://h/?tlsCertificateKeyFilePassword=[redacted]&replicaSet=rs0',
    );
  });

  it('hides what stands in the place of a port', () => {
    expect(redactUri('mongodb://user:QQQ')).toBe('mongodb://user:[redacted]');
    expect(problemOf('mongodb://user:QQQ').message).not.toContain('QQQ');
  });

  it('leaves what holds no secret as it is', () => {
    const uri = 'mongodb://a:1,[::1]:27017/shop?replicaSet=rs0';
    expect(redactUri(uri)).toBe(uri);
  });

  it('finds connection strings in any text', () => {
    expect(redactText('cannot reach mongodb://u:QQQ@h/db, nor mongodb+srv://u:QQQ@h.')).toBe(
      'cannot reach mongodb://[redacted]@h/db, nor mongodb+srv://[redacted]@h.',
    );
  });
});
