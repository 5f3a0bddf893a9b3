import prettyBytes from 'pretty-bytes';

/** `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  return prettyBytes(bytes, { binary: true, locale: 'en' });
}

/** `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 slice`, `2,000 slices`. */
export function formatCountOf(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** `0.4 s`, `42 s`, `3 min 05 s`, `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** `2026-11-22 10:15:30 UTC`. */
export function formatUtc(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `2026-11-22 11:15:30 +01:00` in that zone; undefined where it equals UTC. */
export function formatLocal(date: Date, timeZone?: string): string | undefined {
  const parts = new Intl.DateTimeFormat('en-GB', {
    ...(timeZone === undefined ? {} : { timeZone }),
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' },
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  }).formatToParts(date);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((each) => each.type === type)?.value ?? '';
  const offset = part('timeZoneName').replace('GMT', '');
  if (offset === '' || offset === '+00:00') return undefined;
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${offset}`;
}

/** A moment in UTC and, where this machine's zone differs, in local time. */
export function momentLines(date: Date, timeZone?: string): readonly string[] {
  const local = formatLocal(date, timeZone);
  return local === undefined ? [formatUtc(date)] : [formatUtc(date), local];
}

/** {@link momentLines} on one line. */
export function formatMoment(date: Date, timeZone?: string): string {
  return momentLines(date, timeZone).join(' / ');
}
