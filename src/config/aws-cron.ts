import { Cron } from 'croner';

const fieldNames = ['minutes', 'hours', 'day of month', 'month', 'day of week', 'year'] as const;

/**
 * What is wrong with a cron expression of EventBridge Scheduler: six fields, one of the two days a `?`.
 * @returns what is expected; undefined when it is right
 */
export function cronProblem(cron: string): string | undefined {
  const fields = cron.trim().split(/\s+/);
  if (/^(rate|at|cron)\(/.test(cron)) return `the six fields alone: ${fieldNames.join(', ')}`;
  if (fields.length !== fieldNames.length) return `six fields (${fieldNames.join(', ')}), not ${fields.length}`;
  const [, , dayOfMonth, , dayOfWeek, year = ''] = fields;
  if ((dayOfMonth === '?') === (dayOfWeek === '?')) {
    return 'a ? in exactly one of day of month and day of week';
  }
  const years = year.match(/\d+/g)?.map(Number) ?? [];
  if (years.some((value) => value < 1970 || value > 2199)) return 'a year from 1970 to 2199';
  return parseProblem(cron);
}

function parseProblem(cron: string): string | undefined {
  try {
    parse(cron, 'UTC');
    return undefined;
  } catch (error) {
    return `a cron expression of EventBridge (${(error as Error).message.replace(/^CronPattern: /, '')})`;
  }
}

/** Whether the platform knows a time zone by this IANA name. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name.includes('/') || name === 'UTC';
  } catch {
    return false;
  }
}

/**
 * The next times at which EventBridge Scheduler starts a schedule. A time of day that a change to summer time leaves out is
 * not made up for: on that day it does not start.
 * @param cron one that {@link cronProblem} has nothing against
 * @returns fewer than `count` when the years of the expression end
 */
export function nextRuns(cron: string, timezone: string, from: Date, count: number): Date[] {
  const zoned = parse(cron, timezone);
  const wall = parse(cron, 'UTC');
  const runs: Date[] = [];
  for (let next = zoned.nextRun(from); next !== null && runs.length < count; next = zoned.nextRun(next)) {
    if (wall.match(wallTime(next, timezone))) runs.push(next);
  }
  return runs;
}

/** `0 `: Scheduler has no seconds. */
function parse(cron: string, timezone: string): Cron {
  return new Cron(`0 ${cron.trim()}`, { timezone, mode: '7-part', alternativeWeekdays: true, sloppyRanges: true });
}

/** What the clocks of a zone show, as if it were UTC. */
function wallTime(at: Date, timezone: string): Date {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' },
  }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.find((one) => one.type === type)?.value);
  return new Date(Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')));
}
