import { HoldfastError } from './errors.ts';
import type { Timestamp } from './timestamp.ts';

const uint32 = 0xffff_ffff;
const isoPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$/;

/** The end of a second: at or after every entry that a server can write in it. */
export function endOfSecond(seconds: number): Timestamp {
  return { t: seconds, i: uint32 };
}

function unreadable(text: string): HoldfastError {
  return new HoldfastError('InvalidInput', `"${text}" is no time that can be restored to`, {
    next: 'Write 2026-11-22T10:15:30Z (the whole second, with its zone), 1763806530:4 (that entry included) or latest.',
  });
}

/**
 * A time as people ask for it (ADR 0028). `t:i` is exact: every entry up to and including that one. An ISO time, which
 * names a second and its zone, is the whole second: every entry whose seconds are at most those. `latest` is as far as
 * the recovery window reaches.
 * @throws InvalidInput, also for a fraction of a second and for a time without a zone: both could be meant otherwise
 */
export function parseWantedTime(text: string): Timestamp | 'latest' {
  if (text === 'latest') return 'latest';
  const [, t, i] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  if (t !== undefined && i !== undefined) {
    const time = { t: Number(t), i: Number(i) };
    if (time.t > uint32 || time.i > uint32) throw unreadable(text);
    return time;
  }
  const seconds = isoPattern.test(text) ? Date.parse(text) / 1000 : NaN;
  // Date.parse takes 30 February for a day in March.
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`);
  const isDay = Number.isFinite(day) && new Date(day).toISOString().startsWith(text.slice(0, 10));
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > uint32 || !isDay) throw unreadable(text);
  return endOfSecond(seconds);
}

export function isWantedTime(text: string): boolean {
  try {
    parseWantedTime(text);
    return true;
  } catch {
    return false;
  }
}
