import prettyBytes from 'pretty-bytes';
import { formatTimestamp, type Timestamp, timestampToDate } from '../../src/domain/timestamp.ts';

export const formatCount = (count: number): string => count.toLocaleString('en-US');
export const formatBytes = (bytes: number): string => prettyBytes(bytes, { binary: true, locale: 'en' });

/** `1795354063:99 (2026-11-22 13:41:03 UTC)` */
export function formatMoment(ts: Timestamp): string {
  const wall = timestampToDate(ts).toISOString().slice(0, 19).replace('T', ' ');
  return `${formatTimestamp(ts)} (${wall} UTC)`;
}
