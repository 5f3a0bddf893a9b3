import * as z from 'zod';
import type { HoldfastClient, RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { timestampSchema, timestampToDate } from '../../src/domain/timestamp.ts';
import { renderBackup } from './backup-tables.ts';
import { printable } from './printable.ts';
import { renderRun } from './run-tables.ts';
import { renderFacts } from './tables.ts';
import { formatCount, formatMoment } from './units.ts';

const backupOutputSchema = z.object({ backupId: z.string() });

/** The manifest of the backup that a run made: read back from the storage, so that what is shown is what is stored. */
export async function backupOfRun(client: HoldfastClient, status: RunStatus): Promise<Manifest | undefined> {
  const output = backupOutputSchema.safeParse(status.output);
  return output.success ? await client.describeBackup(output.data.backupId) : undefined;
}

export function renderBackupResult(status: RunStatus, manifest: Manifest | undefined, timeZone?: string): string {
  if (status.status === 'duplicate') return 'The same request was accepted before: the earlier run answers it.';
  if (manifest === undefined) return renderRun(status, timeZone);
  return [renderBackup(manifest, timeZone), `Restore it with`, restoreCommand(manifest)].join('\n\n');
}

function restoreCommand({ backupId }: Manifest): string {
  return `  holdfast restore ${printable(backupId)} --to mongodb://HOST:PORT/`;
}

const restoreOutputSchema = z.object({
  backupId: z.string(),
  restoreTime: timestampSchema.nullable(),
  documents: z.int(),
  warnings: z.array(z.string()).default([]),
  steps: z.array(z.string()).default([]),
});

const plannedOutputSchema = z.object({
  status: z.literal('planned'),
  backupId: z.string(),
  target: z.string(),
  restoreTime: timestampSchema.nullable(),
});

/** How a restore ended, with what its workflow returned. */
export function renderRestoreResult(status: RunStatus, timeZone?: string): string {
  const planned = plannedOutputSchema.safeParse(status.output);
  if (planned.success) return renderPlanned(planned.data, timeZone);
  const output = restoreOutputSchema.safeParse(status.output);
  if (!output.success) return renderRun(status, timeZone);
  const { backupId, restoreTime, documents, warnings, steps } = output.data;
  const to =
    restoreTime === null ? [] : [['restored to', formatMoment(timestampToDate(restoreTime), timeZone)] as const];
  const facts = renderFacts([
    ['backup', backupId],
    ...to,
    ['documents', `${formatCount(documents)} loaded`],
    ...warnings.map((warning) => ['warning', warning] as const),
  ]);
  const remaining = steps.map((step, n) => `  ${n + 1}. ${printable(step)}`);
  const rest = steps.length === 0 ? '' : `\n\nWhat remains to be done:\n${remaining.join('\n')}`;
  return `${renderRun(status, timeZone)}\n\n${facts}${rest}`;
}

function renderPlanned(planned: z.infer<typeof plannedOutputSchema>, timeZone?: string): string {
  const { backupId, target, restoreTime } = planned;
  const to =
    restoreTime === null ? [] : [['would restore to', formatMoment(timestampToDate(restoreTime), timeZone)] as const];
  const facts = renderFacts([['backup', backupId], ['target', printable(target)], ...to]);
  return `${facts}\n\nEverything that can be checked beforehand is so that it can be restored. Nothing was.`;
}
