import { describe, expect, it } from 'vitest';
import { compareTimestamps } from '../../../src/domain/timestamp.ts';
import { parseWantedTime } from '../../../src/domain/wanted-time.ts';

describe('a wanted time', () => {
  it('as t:i is that entry', () => {
    expect(parseWantedTime('1763806530:4')).toEqual({ t: 1_763_806_530, i: 4 });
    expect(parseWantedTime('4294967295:4294967295')).toEqual({ t: 4_294_967_295, i: 4_294_967_295 });
  });

  it('as an ISO time is the whole second: no entry of it comes after, every entry of the next does', () => {
    const wanted = parseWantedTime('2025-11-22T10:15:30Z');
    if (wanted === 'latest') throw new Error('no time');
    const t = Date.UTC(2025, 10, 22, 10, 15, 30) / 1000;
    for (const i of [1, 2, 4_294_967_295]) expect(compareTimestamps({ t, i }, wanted)).toBeLessThanOrEqual(0);
    expect(compareTimestamps({ t: t + 1, i: 0 }, wanted)).toBeGreaterThan(0);
  });

  it.each(['2025-11-22T11:15:30+01:00', '2025-11-22T05:45:30-04:30'])('%s counts its zone', (text) => {
    expect(parseWantedTime(text)).toEqual(parseWantedTime('2025-11-22T10:15:30Z'));
  });

  it('may leave out the seconds, and may be the latest', () => {
    expect(parseWantedTime('2025-11-22T10:15Z')).toEqual(parseWantedTime('2025-11-22T10:15:00Z'));
    expect(parseWantedTime('latest')).toBe('latest');
  });

  it.each([
    '2025-11-22T10:15:30',
    '2025-11-22T10:15:30.5Z',
    '2025-11-22',
    '2025-02-30T10:15:30Z',
    '2025-11-22T25:15:30Z',
    '1969-12-31T23:59:59Z',
    '2106-02-07T06:28:16Z',
    '4294967296:1',
    '1:4294967296',
    '1763806530',
    '-1:2',
    'Latest',
    '',
  ])('"%s" is refused', (text) => {
    expect(() => parseWantedTime(text)).toThrow(expect.objectContaining({ name: 'InvalidInput' }) as Error);
  });
});
