import { gapKey, isOpenGap, type OplogGap, oplogGapSchema } from '../domain/oplog-archive.ts';
import { artifactKeys } from '../domain/names.ts';
import { compareTimestamps, formatTimestamp, type OpTime, sameOpTime } from '../domain/timestamp.ts';
import { changeProgress, type ProgressPlace } from './archive-progress.ts';
import { createDocument, findStored, readDocument, writeDocument } from './documents.ts';
import type { EventPublisher } from './ports/event-publisher.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

export interface ArchivePlace {
  readonly deployment: string;
  readonly replicaSet: string;
  /** The storage of the archive. */
  readonly store: ObjectStore;
  readonly archivePrefix: string;
}

export interface RecordGapDeps {
  readonly events: EventPublisher;
  readonly logger: Logger;
}

/** Publishes an event; that it can't be published is logged, and stops nothing. */
export async function publishEvent(
  event: Parameters<EventPublisher['publish']>[0],
  { events, logger }: RecordGapDeps,
): Promise<void> {
  try {
    await events.publish(event);
  } catch (error) {
    logger.error('an event could not be published', { detailType: event.detailType, reason: String(error) });
  }
}

/**
 * Records a gap once, and tells of it: first the event, so that a process which dies in between tells twice rather than never.
 * One that was recorded and turns out to reach further is recorded as far as it reaches.
 */
export async function recordGap(place: ArchivePlace, gap: OplogGap, deps: RecordGapDeps): Promise<void> {
  const { deployment, replicaSet, store, archivePrefix } = place;
  const key = gapKey(archivePrefix, gap);
  const stored = await findStored(store, key, oplogGapSchema);
  // One that was filled and opens again is as new.
  const known = stored && isOpenGap(stored.value) ? stored : undefined;
  const wider = known && widened(known.value, gap);
  if (known && !wider) return;
  // Several entries of one event of the server are told once; what is lost beside what was is news.
  if (known && wider && gap.reason !== 'objectLost') {
    await writeDocument(store, key, wider, { ifMatch: known.etag });
    return;
  }
  const { reason, after, before, explanation } = gap;
  const times = { after: formatTimestamp(after.ts), before: formatTimestamp(before.ts) };
  deps.logger.warn('the oplog archive has a gap', { deployment, replicaSet, reason, ...times, explanation });
  const detail = { deployment, replicaSet, reason, ...times, explanation, gap: key };
  await publishEvent({ detailType: 'Recovery Gap Detected', detail }, deps);
  if (stored) await writeDocument(store, key, wider ?? gap, { ifMatch: stored.etag });
  else await createDocument(store, key, gap);
}

/**
 * Records that the slices of a gap are there again, and tells it. The record stays: who writes an archive deletes nothing.
 * @param filled the member whose oplog had the entries; null for slices that were found to be there
 * @param etag of the gap: one that was found to reach further meanwhile stays as it is. @throws PreconditionFailed then
 */
export async function closeGap(
  place: ArchivePlace,
  { value: gap, etag }: { readonly value: OplogGap; readonly etag: string },
  filled: { readonly at: string; readonly member: string | null },
  deps: RecordGapDeps,
): Promise<void> {
  const { deployment, replicaSet, store, archivePrefix } = place;
  const key = gapKey(archivePrefix, gap);
  await writeDocument(store, key, { ...gap, filledAt: filled.at }, { ifMatch: etag });
  const times = { after: formatTimestamp(gap.after.ts), before: formatTimestamp(gap.before.ts) };
  const detail = { deployment, replicaSet, reason: gap.reason, ...times, member: filled.member, gap: key };
  deps.logger.info('a gap of the oplog archive was filled', detail);
  await publishEvent({ detailType: 'Recovery Gap Filled', detail }, deps);
}

/**
 * Records up to where the slices of a gap are there again: who goes on need not look at them once more.
 * @throws PreconditionFailed where the gap was found to reach further meanwhile
 */
export async function noteFilled(
  { store, archivePrefix }: ArchivePlace,
  { value: gap, etag }: { readonly value: OplogGap; readonly etag: string },
  filledTo: OpTime,
): Promise<void> {
  await writeDocument(store, gapKey(archivePrefix, gap), { ...gap, filledTo }, { ifMatch: etag });
}

/** The gap as far as both records reach; undefined where the new one adds nothing. */
function widened(known: OplogGap, gap: OplogGap): OplogGap | undefined {
  const damaged = [...new Set([...(known.damaged ?? []), ...(gap.damaged ?? [])])];
  const reachesFurther = compareTimestamps(known.before.ts, gap.before.ts) < 0;
  if (!reachesFurther && damaged.length === (known.damaged ?? []).length) return undefined;
  return {
    ...fromItsBeginning(known),
    ...(reachesFurther && { before: gap.before }),
    ...(damaged.length > 0 && { damaged }),
  };
}

/** What is damaged now may lie before the place up to which the gap was filled. */
function fromItsBeginning({ filledTo: _before, ...gap }: OplogGap): OplogGap {
  return gap;
}

/**
 * The base that was wished because of a gap that is no more, whether one was started or not; the wish stands for the last of the
 * other gaps, with the time that is to pass before it starts one.
 */
export async function unwishBase(
  { store, archivePrefix }: Pick<ArchivePlace, 'store' | 'archivePrefix'>,
  progress: ProgressPlace,
  before: OpTime,
): Promise<void> {
  let last: OpTime | undefined;
  for await (const { key } of store.list(artifactKeys.gaps(archivePrefix))) {
    const gap = await readDocument(store, key, oplogGapSchema);
    if (isOpenGap(gap) && (!last || compareTimestamps(last.ts, gap.before.ts) < 0)) last = gap.before;
  }
  await changeProgress(progress, (current) => {
    if (!current) return undefined;
    const { wantsBase, ...rest } = current;
    if (!wantsBase || !sameOpTime(wantsBase.from, before)) return undefined;
    return last ? { ...rest, wantsBase: { ...wantsBase, from: last } } : rest;
  });
}
