import type { ArchiveProgress } from '../domain/oplog-archive.ts';
import { changeProgress } from './archive-progress.ts';
import type { ArchiveTurn } from './archive-turn.ts';
import { publishEvent } from './record-gap.ts';

/** A set that does nothing writes an empty entry every ten seconds: an archive that stands for so long does not keep up. */
const standsMs = 15 * 60_000;
/** How often it is told again. */
const againMs = 60 * 60_000;

/**
 * Notes that a turn came no further than the one before, and tells it when that has lasted.
 * @param why for people @param urgent tells it at once: what the archive needs is being lost
 * @returns for how long it lasts, in milliseconds by the archiver's clock; Infinity where nothing is noted that could tell
 */
export async function noteStall(turn: ArchiveTurn, why: string, urgent = false): Promise<number> {
  const { deployment, replicaSet } = turn.place;
  const now = turn.deps.clock.now();
  const since = (at: string): number => Math.abs(now.getTime() - Date.parse(at));
  // What was decided with the progress that stands.
  const decided = { lasted: Infinity, tells: false };
  await changeProgress(turn.progress, (current) => {
    decided.tells = false;
    if (!current) return undefined;
    const { stalled } = current;
    decided.lasted = stalled ? since(stalled.since) : 0;
    const isTold = stalled?.warnedAt !== undefined && since(stalled.warnedAt) < againMs;
    decided.tells = !isTold && (urgent || decided.lasted >= standsMs);
    if (stalled && !decided.tells) return undefined;
    const noted: NonNullable<ArchiveProgress['stalled']> = { ...stalled, since: stalled?.since ?? now.toISOString() };
    return { ...current, stalled: decided.tells ? { ...noted, warnedAt: now.toISOString() } : noted };
  });
  const { lasted, tells } = decided;
  if (!tells) return lasted;
  const detail = { deployment, replicaSet, stalledSeconds: Math.floor(lasted / 1000), explanation: why };
  turn.deps.logger.warn('the oplog archive does not go on', detail);
  await publishEvent({ detailType: 'Oplog Archive Stalled', detail }, turn.deps);
  return lasted;
}
