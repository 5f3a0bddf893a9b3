import { z } from 'zod';
import type { HoldfastClient, RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { renderBackup } from './backup-tables.ts';
import { printable } from './printable.ts';
import { renderRun } from './run-tables.ts';
import { renderFacts } from './tables.ts';

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

const factsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).nullable().catch(null));

/** How a restore ended, with the facts that its workflow returned. */
export function renderRestoreResult(status: RunStatus, timeZone?: string): string {
  const output = factsSchema.safeParse(status.output);
  const facts = Object.entries(output.success ? output.data : {}).flatMap(([name, value]) =>
    value === null ? [] : [[name, String(value)] as const],
  );
  return [renderRun(status, timeZone), ...(facts.length === 0 ? [] : [renderFacts(facts)])].join('\n\n');
}
