import { type ArchiveProgress, shortOplog } from '../domain/oplog-archive.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import { oldestEntry } from '../engine/oplog/oplog-source.ts';
import { readOplogUse } from '../engine/oplog/oplog-use.ts';
import type { Source } from '../engine/source/member-state.ts';
import type { Clock } from './ports/clock.ts';
import { type ArchivePlace, publishEvent, type RecordGapDeps } from './record-gap.ts';

/** How often it is told again that an oplog is short. */
const againMs = 60 * 60_000;

/**
 * Looks whether the source's oplog still reaches back far enough beyond what is archived, and tells when it does not, before
 * a gap does.
 * @param before what the last turn noted @returns what to note now
 */
export async function watchOplog(
  source: Source,
  archivedTo: Timestamp,
  before: ArchiveProgress['oplogShort'],
  { deployment, replicaSet }: ArchivePlace,
  deps: RecordGapDeps & { readonly clock: Clock },
): Promise<ArchiveProgress['oplogShort']> {
  const oldest = await oldestEntry(source);
  if (!oldest) return undefined;
  const remainingSeconds = shortOplog(oldest.ts, archivedTo, await readOplogUse(source));
  if (remainingSeconds === undefined) return undefined;
  const now = deps.clock.now();
  if (before && Math.abs(now.getTime() - Date.parse(before.warnedAt)) < againMs)
    return { remainingSeconds, warnedAt: before.warnedAt };
  const detail = {
    ...{ deployment, replicaSet, member: source.member, remainingSeconds },
    explanation: `The oplog of ${source.member} reaches ${remainingSeconds} s back beyond what is archived. Enlarge it: replSetResizeOplog.`,
  };
  deps.logger.warn("the source's oplog is short", detail);
  await publishEvent({ detailType: 'Oplog Window Short', detail }, deps);
  return { remainingSeconds, warnedAt: now.toISOString() };
}
