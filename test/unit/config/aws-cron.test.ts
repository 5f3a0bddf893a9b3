import { describe, expect, it } from 'vitest';
import { cronProblem, isTimezone, nextRuns } from '../../../src/config/aws-cron.ts';

const runs = (cron: string, timezone: string, from: string, count = 3): string[] =>
  nextRuns(cron, timezone, new Date(from), count).map((run) => run.toISOString());

describe('cronProblem', () => {
  it.each([
    '0 2 * * ? *',
    '15 10 ? * 6L 2026-2027',
    '0 0 15W * ? *',
    '0 0 LW * ? *',
    '0 8 ? * 2#1 *',
    '0/15 9-17 ? * MON-FRI *',
  ])('takes %s', (cron) => {
    expect(cronProblem(cron)).toBeUndefined();
  });

  it.each([
    ['0 2 * * *', /six fields .* not 5/],
    ['cron(0 2 * * ? *)', /six fields alone/],
    ['rate(1 day)', /six fields alone/],
    ['0 2 * * * *', /in exactly one of/],
    ['0 2 ? * ? *', /in exactly one of/],
    ['0 10 1 * MON *', /in exactly one of/],
    ['0 2 * * ? 1969', /1970 to 2199/],
    ['61 2 * * ? *', /a cron expression of EventBridge/],
    ['0 25 * * ? *', /a cron expression of EventBridge/],
  ])('says what is wrong with %s', (cron, expected) => {
    expect(cronProblem(cron)).toMatch(expected);
  });
});

describe('nextRuns', () => {
  it('counts in the time zone, through a change of its offset', () => {
    expect(runs('0 2 * * ? *', 'Europe/Berlin', '2026-10-24T12:00:00Z')).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-26T01:00:00.000Z',
      '2026-10-27T01:00:00.000Z',
    ]);
  });

  it('leaves out the day on which the time of day does not exist', () => {
    expect(runs('30 2 * * ? *', 'Europe/Berlin', '2027-03-27T12:00:00Z', 2)).toEqual([
      '2027-03-29T00:30:00.000Z',
      '2027-03-30T00:30:00.000Z',
    ]);
  });

  it('counts days of the week as EventBridge does: 1 is Sunday', () => {
    expect(runs('0 5 ? * 1 *', 'UTC', '2026-11-22T12:00:00Z', 1)).toEqual(['2026-11-29T05:00:00.000Z']);
  });

  it('ends with the years of the expression', () => {
    expect(runs('0 0 1 1 ? 2027', 'UTC', '2026-11-22T12:00:00Z')).toEqual(['2027-01-01T00:00:00.000Z']);
  });
});

describe('isTimezone', () => {
  it('knows IANA names, and no others', () => {
    expect(['UTC', 'Europe/Berlin', 'Berlin', 'Mars/Base', 'CET'].map(isTimezone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
