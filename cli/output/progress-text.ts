import type { RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { Progress } from '../../src/domain/run.ts';
import { printable } from './printable.ts';
import { formatBytes, formatCount, formatRate, formatSeconds } from './units.ts';

/** How much of the expected bytes is done, from 0 to 1; undefined while nothing is known to be expected. */
export function fractionDone({ rawBytes, totalBytes }: Progress): number | undefined {
  // What is expected is an estimate of the server's: more can be read than it said.
  return totalBytes === null || totalBytes <= 0 ? undefined : Math.min(1, rawBytes / totalBytes);
}

/** `rs0 dump: 1.2 GiB of 4 GiB (30%), 1,234,567 documents, 210 MiB/s, 14 s left`; one line, whatever the names. */
export function progressText(progress: Progress): string {
  const fraction = fractionDone(progress);
  const ofTotal =
    fraction === undefined ? '' : ` of ${formatBytes(progress.totalBytes ?? 0)} (${Math.floor(fraction * 100)}%)`;
  return [
    `${printable(progress.part)} ${printable(progress.phase)}: ${formatBytes(progress.rawBytes)}${ofTotal}`,
    // Files are not opened.
    ...(progress.phase === 'copy' ? [] : [`${formatCount(progress.documents)} documents`]),
    formatRate(progress.bytesPerSecond),
    ...(progress.brake === undefined ? [] : [printable(progress.brake)]),
    ...(progress.etaSeconds === null ? [] : [`${formatSeconds(progress.etaSeconds)} left`]),
  ].join(', ');
}

/** `Dump Collections.rs0 failed (try 2, SourceUnreachable) and is tried again: …`; one line, whatever the message. */
export function failureText({ state, attempt, error }: NonNullable<RunStatus['lastFailure']>): string {
  const what = `${state} failed (try ${attempt}, ${error.name})`;
  return printable(`${what} and is tried again: ${error.message}`);
}

/** `[######--------------]`; empty where nothing is known to be expected. */
export function progressBar(progress: Progress, width: number): string {
  const fraction = fractionDone(progress);
  if (fraction === undefined) return '';
  const done = Math.round(fraction * width);
  return `[${'#'.repeat(done)}${'-'.repeat(width - done)}] `;
}
