import fc from 'fast-check';
import { JSONPath } from 'jsonpath-plus';
import { describe, expect, it } from 'vitest';

import { type Json, sameJson, toJson } from '../../../local/states-language/json.ts';
import { parsePath, readPath, writePath } from '../../../local/states-language/json-path.ts';
import { backoffSeconds, matchesError, RetryCounters } from '../../../local/states-language/retry.ts';
import { StateFailure } from '../../../local/states-language/failures.ts';
import type { Retrier } from '../../../local/states-language/state-machine.ts';
import { parseTimestamp } from '../../../local/states-language/timestamps.ts';
import { invoke, machineOf, named, runMachine } from '../../support/run-machine.ts';

const retriers: fc.Arbitrary<Retrier> = fc
  .record({
    IntervalSeconds: fc.integer({ min: 1, max: 1_000 }),
    BackoffRate: fc.double({ min: 1, max: 10, noNaN: true }),
    MaxAttempts: fc.integer({ min: 0, max: 20 }),
    extra: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
    JitterStrategy: fc.constantFrom('FULL' as const, 'NONE' as const),
  })
  .map(({ extra, ...fields }) => ({
    ErrorEquals: ['States.ALL'],
    ...fields,
    ...(extra !== undefined && { MaxDelaySeconds: fields.IntervalSeconds + extra }),
  }));
const retryNumber = fc.integer({ min: 1, max: 30 });
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const none = () => 0;
const plain = (retrier: Retrier): Retrier => ({ ...retrier, JitterStrategy: 'NONE' });

describe('back-off', () => {
  it('starts at the interval, never shrinks, and never passes MaxDelaySeconds', () => {
    fc.assert(
      fc.property(retriers, retryNumber, (retrier, retry) => {
        const now = backoffSeconds(plain(retrier), retry, none);
        expect(backoffSeconds(plain(retrier), 1, none)).toBe(retrier.IntervalSeconds);
        expect(backoffSeconds(plain(retrier), retry + 1, none)).toBeGreaterThanOrEqual(now);
        expect(now).toBeLessThanOrEqual(retrier.MaxDelaySeconds ?? 31_622_400);
        expect(now).toBeGreaterThanOrEqual(retrier.IntervalSeconds ?? 1);
      }),
    );
  });

  it('grows by exactly BackoffRate until it is capped', () => {
    fc.assert(
      fc.property(retriers, fc.integer({ min: 1, max: 6 }), (retrier, retry) => {
        const { MaxDelaySeconds: cap = 31_622_400, BackoffRate: rate = 2 } = retrier;
        const now = backoffSeconds(plain(retrier), retry, none);
        const next = backoffSeconds(plain(retrier), retry + 1, none);
        if (next < cap) expect(next / now).toBeCloseTo(rate, 9);
        else expect(now * rate).toBeGreaterThanOrEqual(cap * (1 - 1e-9));
      }),
    );
  });

  it('with full jitter is anywhere from nothing to the plain delay', () => {
    fc.assert(
      fc.property(retriers, retryNumber, chance, (retrier, retry, random) => {
        const whole = backoffSeconds(plain(retrier), retry, none);
        const part = backoffSeconds({ ...retrier, JitterStrategy: 'FULL' }, retry, () => random);
        expect(part).toBeCloseTo(whole * random, 6);
      }),
    );
  });

  it('gives exactly MaxAttempts retries', () => {
    fc.assert(
      fc.property(retriers, (retrier) => {
        const counters = new RetryCounters([retrier], none);
        let retries = 0;
        while (counters.next(new StateFailure('E', '')) !== undefined) retries += 1;
        expect(retries).toBe(retrier.MaxAttempts);
      }),
    );
  });

  it('is what an execution waits, attempt by attempt', async () => {
    await fc.assert(
      fc.asyncProperty(retriers, async (retrier) => {
        const short = { ...plain(retrier), MaxAttempts: Math.min(retrier.MaxAttempts ?? 3, 5) };
        const { calls } = await runMachine(machineOf({ A: invoke('f', { Retry: [short], End: true }) }), {
          functions: {
            f: () => {
              throw named('Busy');
            },
          },
        });
        let at = 0;
        expect(calls).toHaveLength(short.MaxAttempts + 1);
        calls.forEach((call, index) => {
          if (index > 0) at += backoffSeconds(short, index, none);
          // The clock has whole milliseconds; a wait is never cut short by more than one of them.
          expect(Math.abs(call.at - at)).toBeLessThan(0.002 * (index + 1));
        });
      }),
      { numRuns: 25 },
    );
  });
});

describe('ErrorEquals', () => {
  const names = fc.constantFrom(
    'A',
    'B',
    'States.Timeout',
    'States.HeartbeatTimeout',
    'States.TaskFailed',
    'States.DataLimitExceeded',
  );
  it('with more names matches no less, and States.Runtime is never matched', () => {
    fc.assert(
      fc.property(fc.array(names), names, names, (some, more, error) => {
        if (matchesError(some, error)) expect(matchesError([...some, more], error)).toBe(true);
        expect(matchesError([...some, 'States.ALL', 'States.Runtime'], 'States.Runtime')).toBe(false);
      }),
    );
  });
});

const members = fc.constantFrom('a', 'b', 'list', 'x y', "it's", '0', '*', '$', 'toString');
const leaves = [null, true, false, 0, 1] as const;
const jsonWith = (names: fc.Arbitrary<string>, texts: readonly string[]) =>
  fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<Json>(...leaves, ...texts),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(names, tie('value'), { maxKeys: 4 }),
    ),
  })).value;
const json = jsonWith(members, ['', 'text']);
type PathPart = { readonly text: string; readonly definite: boolean };
const quote = (name: string) => `['${name.replaceAll("'", "\\'")}']`;
const definiteParts: fc.Arbitrary<PathPart> = fc.oneof(
  members.map((name) => ({ text: quote(name), definite: true })),
  fc.constantFrom('a', 'b', 'list').map((name) => ({ text: `.${name}`, definite: true })),
  fc.nat({ max: 4 }).map((index) => ({ text: `[${index}]`, definite: true })),
);
const definitePaths = fc
  .array(definiteParts, { maxLength: 4 })
  .map((parts) => `$${parts.map(({ text }) => text).join('')}`);

describe('paths', () => {
  it('what was written at a path is read there, and nothing else has changed', () => {
    fc.assert(
      fc.property(json, definitePaths, json, (root, text, value) => {
        const path = parsePath(text);
        const before = JSON.stringify(root);
        let written: Json;
        try {
          written = writePath(path, root, value);
        } catch (error) {
          expect(error).toMatchObject({ error: 'States.ResultPathMatchFailure' });
          return;
        }
        expect(JSON.stringify(root)).toBe(before);
        const read = readPath(path, written);
        expect(read !== undefined && sameJson(read, value)).toBe(true);
        const was = readPath(path, root);
        if (was !== undefined) expect(sameJson(writePath(path, written, was), root)).toBe(true);
      }),
    );
  });

  it('jsonpath-plus reads the same at members, indexes, slices and wildcards', () => {
    const oracleParts = fc.oneof(
      fc.constantFrom('a', 'b', 'list', 'x y').map(quote),
      fc.constantFrom('a', 'b', 'list').map((name) => `.${name}`),
      fc.nat({ max: 4 }).map((index) => `[${index}]`),
      fc.constantFrom('[*]', '[0:2]', '[1:]', '[:-1]'),
    );
    const texts = fc.array(oracleParts, { minLength: 1, maxLength: 4 }).map((parts) => `$${parts.join('')}`);
    // Left out, because jsonpath-plus differs: a member named '*' (it takes a wildcard to mean that member only) and texts
    // (it reads `[0]` of a text as its first character, where there is nothing).
    const names = fc.constantFrom('a', 'b', 'list', 'x y');
    const roots = fc.dictionary(names, jsonWith(names, []), { minKeys: 1, maxKeys: 4 });
    let compared = 0;
    fc.assert(
      fc.property(roots, texts, (root, text) => {
        const path = parsePath(text);
        const ours = readPath(path, root);
        const theirs = toJson(JSONPath({ path: text, json: root, eval: false, wrap: true })) as readonly Json[];
        if (ours === undefined) expect(theirs).toEqual([]);
        else expect(path.definite ? [ours] : ours).toEqual(theirs);
        if (theirs.length > 0) compared += 1;
      }),
      { numRuns: 1_000 },
    );
    expect(compared).toBeGreaterThan(50);
  });
});

describe('timestamps', () => {
  it('are ordered like the times they stand for, in every offset', () => {
    const times = fc.date({ min: new Date('1971-01-01'), max: new Date('2099-01-01'), noInvalidDate: true });
    const offsets = fc.integer({ min: -14 * 60, max: 14 * 60 });
    const write = (time: Date, minutes: number) => {
      const local = new Date(time.getTime() + minutes * 60_000).toISOString().slice(0, -1);
      const two = (value: number) => String(Math.trunc(value)).padStart(2, '0');
      return `${local}${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
    };
    fc.assert(
      fc.property(times, offsets, (time, minutes) => {
        expect(parseTimestamp(write(time, minutes))).toBe(BigInt(time.getTime()) * 1_000_000n);
        expect(parseTimestamp(time.toISOString())).toBe(BigInt(time.getTime()) * 1_000_000n);
      }),
    );
  });

  it.each([
    '2026-01-01',
    '2026-01-01 00:00:00Z',
    '2026-01-01t00:00:00z',
    '2026-01-01T00:00:00',
    '2026-13-01T00:00:00Z',
    '2026-01-01T25:00:00Z',
    '',
  ])('%j is none', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});
