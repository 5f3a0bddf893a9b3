import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonLogger } from '../../../src/adapters/process/json-logger.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { Secret } from '../../../src/domain/secret.ts';

const clock = { now: () => new Date('2026-11-22T10:15:30Z'), sleep: () => Promise.resolve() };

/** What the logger writes for one call. */
function written(message: string, fields?: Record<string, unknown>, options: object = {}): string {
  let text = '';
  const logger = new JsonLogger({ clock, write: (line) => (text += line), ...options });
  logger.warn(message, fields);
  return text;
}
const parsed = (...call: Parameters<typeof written>) => JSON.parse(written(...call)) as Record<string, unknown>;

describe('JsonLogger', () => {
  it('writes one JSON line with time, level and message first', () => {
    const line = written('Worker started', { part: 'rs0', n: 1 }, { fields: { runId: 'r' } });
    expect(line).toBe(
      '{"time":"2026-11-22T10:15:30.000Z","level":"warn","message":"Worker started","runId":"r","part":"rs0","n":1}\n',
    );
  });

  it('writes nothing below its level', () => {
    expect(written('x', {}, { level: 'error' })).toBe('');
    expect(written('x', {}, { level: 'warn' })).not.toBe('');
  });

  it('keeps any values to one line of plain JSON', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    fc.assert(
      fc.property(
        text,
        fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }),
        text,
        (message, value, key) => {
          const line = written(message, { value, [key]: message });
          expect(line.endsWith('\n')).toBe(true);

          expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
          expect(JSON.parse(line)).toMatchObject({ time: '2026-11-22T10:15:30.000Z', level: 'warn' });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('lets no field pass itself off as time, level or message', () => {
    const forged = parsed('real', { level: 'debug', message: 'forged', time: 'never' });
    expect(forged).toEqual({ time: '2026-11-22T10:15:30.000Z', level: 'warn', message: 'real' });
  });

  it.each([
    ['mongodb://root:hunter2@db:27017/?replicaSet=rs0', 'mongodb://[redacted]@db:27017/?replicaSet=rs0'],
    ['mongodb+srv://root:hunter2@db', 'mongodb+srv://[redacted]@db'],
    ['cannot reach MongoDB://u:hunter2@h1,h2 today', 'cannot reach MongoDB://[redacted]@h1,h2 today'],
    ['mongodb://u:hunter2/with@slash@h', 'mongodb://[redacted]@h'],
    ['mongodb://u:hunter2@h1\nmongodb://u:hunter2@h2', 'mongodb://[redacted]@h1\nmongodb://[redacted]@h2'],
    ['mongodb://db:27017/a', 'mongodb://db:27017/a'],
    ['mail me@example.org', 'mail me@example.org'],
  ])('cuts the user out of %j', (text, expected) => {
    const cause = new TypeError(text);
    const error = new HoldfastError('SourceUnreachable', text, { cause, details: { uri: text } });
    const fields = parsed(text, { uri: text, deep: [{ uri: text }], error });
    expect(fields['message']).toBe(expected);
    expect(fields['uri']).toBe(expected);
    expect(fields['deep']).toEqual([{ uri: expected }]);
    expect(fields['error']).toMatchObject({ name: 'SourceUnreachable', message: expected, details: { uri: expected } });
    expect(JSON.stringify(fields)).not.toContain('hunter2');
  });

  it('shows no secret, by type or by the name of its field', () => {
    const line = written('m', {
      credentials: 'hunter2',
      nested: { Password: 'hunter2', taskToken: 'hunter2', kept: new Secret('hunter2') },
      list: [new Secret('hunter2')],
    });
    expect(line).not.toContain('hunter2');
    expect(JSON.parse(line)).toMatchObject({ credentials: '[redacted]', list: ['[redacted]'] });
  });

  it('survives cycles, getters that throw, bytes, endless texts and big numbers', () => {
    const cycle: Record<string, unknown> = { n: 12n, bytes: Buffer.alloc(1_000_000), text: 'x'.repeat(1_000_000) };
    cycle['self'] = cycle;
    Object.defineProperty(cycle, 'broken', { enumerable: true, get: () => { throw new TypeError('no'); } }); // prettier-ignore
    const line = written('m', { cycle });
    expect(line.length).toBeLessThan(100_000);
    const fields = (JSON.parse(line) as { cycle: unknown }).cycle;
    expect(fields).toMatchObject({ n: '12', bytes: '[1000000 bytes]', broken: '[unreadable: no]' });
  });
});
