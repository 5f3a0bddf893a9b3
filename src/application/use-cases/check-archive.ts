import { crc32 } from 'node:zlib';
import {
  type ArchiveCheck,
  type ArchiveLoss,
  ChainCheck,
  type DamagedSlice,
  isCheckDue,
  laterBegin,
} from '../../domain/archive-check.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { gapKey, isOpenGap, type OplogGap, oplogGapSchema, type SliceSpan } from '../../domain/oplog-archive.ts';
import { dayOf, type IndexedSlice, isOf } from '../../domain/slice-index.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { sliceFrom } from '../../engine/oplog/archive-tail.ts';
import { readStoredSlice } from '../../engine/oplog/read-chain.ts';
import { verifyStoredSlice } from '../../engine/oplog/read-slices.ts';
import type { SliceHeader } from '../../engine/oplog/slice-format.ts';
import { type CheckedPlace, changeCheck, readCheck } from '../archive-check-record.ts';
import { wishBase, wishSlices } from '../archive-progress.ts';
import type { StepDeps } from '../bind.ts';
import type { CatalogDeps } from '../catalog.ts';
import { findStored, readDocument } from '../documents.ts';
import { archivedSets, type KnownArchive, listKnownArchives } from '../known-archives.ts';
import type { ListedSlice } from '../list-archives.ts';
import type { EventPublisher } from '../ports/event-publisher.ts';
import type { CheckArchiveRequest, CheckedArchive } from '../ports/holdfast-client.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { closeGap, publishEvent, recordGap, unwishBase } from '../record-gap.ts';
import { deploymentOf, storageOf } from '../run-folder.ts';
import { sliceGroups } from '../slice-groups.ts';
import { IndexKeeper } from '../slice-index.ts';

export interface CheckArchiveDeps extends StepDeps, CatalogDeps {
  readonly events: EventPublisher;
}

const sampleOf = 10;

/**
 * Looks whether a deployment's archive holds what its window promises: that every slice is there and leads on to the next,
 * by timestamp and term, and that its bytes are whole (of all slices, or of a sample that is another one each day:
 * `verify`). What is lost or damaged becomes a gap, with its event, and a base is wished after it.
 * @throws UnknownDeployment, UnsupportedFormat, the storages' errors
 */
export async function checkArchive(
  request: CheckArchiveRequest,
  deps: CheckArchiveDeps,
  signal?: AbortSignal,
): Promise<readonly CheckedArchive[]> {
  const { oplogArchive, name } = deploymentOf(deps.settings, request.deployment);
  if (oplogArchive?.enabled !== true) return [];
  const { storage, verify } = oplogArchive;
  const store = deps.openStorage(storageOf(deps.settings, storage));
  const end = performance.now() + request.seconds * 1000;
  const checked: CheckedArchive[] = [];
  const waiting = request.now ? [] : await notDue(name, storage, deps);
  if (waiting.length > 0) return waiting;
  for (const { archive, noted } of await listKnownArchives(name, store, deps)) {
    const place = { deployment: name, replicaSet: archive.replicaSet, replicaSetId: archive.replicaSetId, storage };
    const round = new Round({ archive, noted, place, store, verify }, deps, () => {
      signal?.throwIfAborted();
      return performance.now() > end;
    });
    checked.push(await round.turn(request.now));
  }
  return checked;
}

/**
 * Asked every few seconds, and each hour on AWS: a year of slices is not listed for it.
 * @returns of every archive that is known to the state, or nothing where a check is due
 */
async function notDue(deployment: string, storage: string, deps: CheckArchiveDeps): Promise<CheckedArchive[]> {
  const reports: CheckedArchive[] = [];
  for (const set of await archivedSets(deployment, deps.state)) {
    const place = { deployment, ...set, storage };
    if (isCheckDue(await readCheck(deps.state, place), deps.clock.now())) return [];
    reports.push(report(place, 'notDue'));
  }
  return reports;
}

function report(
  place: CheckedPlace,
  status: CheckedArchive['status'],
  found: Pick<CheckedArchive, 'slices' | 'losses' | 'replaced'> = { slices: 0, losses: [], replaced: [] },
): CheckedArchive {
  return { ...place, status, ...found };
}

interface RoundInput extends KnownArchive {
  readonly place: CheckedPlace;
  readonly store: ObjectStore;
  readonly verify: 'all' | 'sample';
}

type Looked = { readonly slice: SliceSpan } | { readonly damaged: DamagedSlice } | undefined;

/** One archive, for one turn. */
class Round {
  readonly #input: RoundInput;
  readonly #deps: CheckArchiveDeps;
  readonly #isOver: () => boolean;
  readonly #losses: ArchiveLoss[] = [];
  readonly #replaced: string[] = [];
  #looked = 0;
  #first: OpTime | undefined;

  constructor(input: RoundInput, deps: CheckArchiveDeps, isOver: () => boolean) {
    this.#input = input;
    this.#deps = deps;
    this.#isOver = isOver;
  }

  async turn(now: boolean): Promise<CheckedArchive> {
    const { place, store, archive } = this.#input;
    const { state, clock, logger } = this.#deps;
    const record = await readCheck(state, place);
    if (!now && !isCheckDue(record, clock.now())) return report(place, 'notDue');
    const gaps: OplogGap[] = [];
    for (const key of archive.gaps) gaps.push(await readDocument(store, key, oplogGapSchema));
    const open = gaps.filter(isOpenGap);
    const known = new Set(open.flatMap(({ damaged }) => damaged ?? []));
    const usable = archive.slices.filter(({ key }) => !known.has(key));
    const { round } = record ?? {};
    const left = usable.filter(({ key }) => round === undefined || key > round.at);
    const index = new IndexKeeper(store, archive, usable, logger);
    // Given another storage, what was noted is of the one before.
    const noted = record && this.#input.noted;
    const chain = new ChainCheck(open, round?.end ?? record?.begins, round?.chain);
    const under = await this.#follow(chain, noted, left, index);
    for (const gap of chain.ledOver) await this.#close(gap);
    await index.write();
    await changeCheck(state, place, ({ round: _over, ...current }) => ({
      ...current,
      ...this.#begun(round, current),
      ...(under ? { round: under } : { finishedAt: clock.now().toISOString() }),
    }));
    return this.#report(under !== undefined);
  }

  /** @returns how far it came in the time; undefined: to the end */
  async #follow(
    chain: ChainCheck,
    noted: OpTime | undefined,
    left: readonly ListedSlice[],
    index: IndexKeeper,
  ): Promise<ArchiveCheck['round']> {
    let done = 0;
    for (const next of sliceGroups(left)) {
      done += next.length;
      if (next[0]) await index.write(dayOf(next[0].from));
      const looked = await Promise.all(next.map((listed) => this.#look(listed, index)));
      for (const one of looked) {
        if (one && 'damaged' in one) chain.addDamaged(one.damaged);
        else if (one) await this.#take(chain, one.slice);
      }
      this.#looked += looked.length;
      const at = looked.at(-1);
      // Only after a slice that is whole: what was damaged before it is told by then.
      const isPlace = done < left.length && at && 'slice' in at;
      if (isPlace && chain.end && this.#isOver()) return { at: at.slice.key, end: chain.end, chain: chain.chain };
    }
    const loss = chain.finish(noted);
    // An archiver writes again what is lost at the very end, perhaps since the slices were listed.
    const { store, archive } = this.#input;
    if (loss && !(await sliceFrom(store, archive.prefix, loss.after))) await this.#tell(loss);
    return undefined;
  }

  async #take(chain: ChainCheck, slice: SliceSpan): Promise<void> {
    await this.#tell(chain.add(slice));
    this.#first ??= slice.from;
  }

  /** Slices lead over it: another archiver wrote them. Left open, its record would hide that they are lost one day. */
  async #close({ after, before, reason }: OplogGap): Promise<void> {
    const { place, store, archive } = this.#input;
    const archivePlace = { ...place, store, archivePrefix: archive.prefix };
    const stored = await findStored(store, gapKey(archive.prefix, { after, reason }), oplogGapSchema);
    if (!stored || !isOpenGap(stored.value) || !sameOpTime(stored.value.before, before)) return;
    const at = this.#deps.clock.now().toISOString();
    try {
      await closeGap(archivePlace, stored, { at, member: null }, this.#deps);
      await unwishBase(archivePlace, { ...this.#deps, key: this.#progressKey }, before);
    } catch (error) {
      // It was found to reach further meanwhile: the next round sees.
      if (!isHoldfastError(error, 'PreconditionFailed')) throw error;
    }
  }

  get #progressKey(): string {
    const { deployment, replicaSet, replicaSetId } = this.#input.place;
    return stateKeys.archiveProgress(deployment, `${replicaSet}-${replicaSetId}`);
  }

  /** With which entry the archive begins; only who began the round has seen it. Who prunes may have said a later one since. */
  #begun(round: ArchiveCheck['round'], { begins }: ArchiveCheck): { readonly begins?: OpTime } {
    return round === undefined && this.#first ? { begins: laterBegin(begins, this.#first) } : {};
  }

  /** @returns undefined for one that was deleted since it was listed */
  async #look(listed: ListedSlice, index: IndexKeeper): Promise<Looked> {
    const { store } = this.#input;
    const { key } = listed;
    const known = await index.find(listed);
    const isRead = this.#isRead(key);
    if (known && !isRead && isOf(known, listed)) return { slice: { key, from: known.from, to: known.to } };
    try {
      const header = isRead ? await verifyTwice(store, key) : (await readStoredSlice(store, listed)).header;
      if (known) await this.#compare(key, known, header);
      index.note(listed, header);
      return { slice: { key, from: header.from, to: header.to } };
    } catch (error) {
      if (isHoldfastError(error, 'ObjectNotFound')) return undefined;
      if (!isHoldfastError(error, 'CorruptObject')) throw error;
      index.note(listed, undefined);
      return { damaged: { key, from: listed.from, to: await endOf(store, listed) } };
    }
  }

  /**
   * A slice that is whole, and another one than that which was looked at before: nobody writes one again, but for one that
   * was damaged or lost, and that with the same entries where they were of the middle of an archive.
   */
  async #compare(key: string, known: IndexedSlice, header: SliceHeader): Promise<void> {
    if (known.sha256 === header.sha256 && sameOpTime(known.to, header.to)) return;
    const { place } = this.#input;
    this.#replaced.push(key);
    const show = ({ to, entries, sha256 }: Pick<SliceHeader, 'to' | 'entries' | 'sha256'>) =>
      `${entries} entries up to ${describeOpTime(to)} (SHA-256 ${sha256})`;
    const explanation = `${key} is whole, and another slice than the one that was checked before: it held ${show(known)}, and holds ${show(header)} now, written by run ${header.run} from ${header.member}.`;
    const { deployment, replicaSet } = place;
    const detail = { deployment, replicaSet, storage: place.storage, slice: key, explanation };
    this.#deps.logger.warn('a slice of the oplog archive was replaced', detail);
    await publishEvent({ detailType: 'Oplog Slice Replaced', detail }, this.#deps);
  }

  #isRead(key: string): boolean {
    const day = Math.floor(this.#deps.clock.now().getTime() / 86_400_000);
    return this.#input.verify === 'all' || (crc32(key) + day) % sampleOf === 0;
  }

  async #tell(loss: ArchiveLoss | undefined): Promise<void> {
    if (!loss) return;
    const { place, store, archive } = this.#input;
    const { after, before, damaged } = loss;
    // What was pruned since the slices were listed is no loss.
    const { begins } = (await readCheck(this.#deps.state, place)) ?? {};
    if (begins && compareTimestamps(after.ts, begins.ts) < 0) return;
    this.#losses.push(loss);
    const key = this.#progressKey;
    await wishBase({ ...this.#deps, key }, before);
    const what = damaged.length > 0 ? `damaged: ${damaged.join(', ')}` : 'not in the storage any more';
    const explanation = `Slices from ${describeOpTime(after)} to ${describeOpTime(before)} were archived, and are ${what}.`;
    const foundAt = this.#deps.clock.now().toISOString();
    await recordGap(
      { ...place, store, archivePrefix: archive.prefix },
      {
        ...{ schemaVersion: 1, reason: 'objectLost', after, before, foundAt, member: null, explanation },
        ...(damaged.length > 0 && { damaged: [...damaged] }),
      },
      this.#deps,
    );
    await wishSlices({ ...this.#deps, key }, after);
  }

  #report(isUnderWay: boolean): CheckedArchive {
    const losses = this.#losses.map(({ after, before, damaged }) => ({ after: after.ts, before: before.ts, damaged }));
    const replaced = this.#replaced.toSorted();
    const found = losses.length > 0 ? 'lost' : replaced.length > 0 ? 'replaced' : 'whole';
    return report(this.#input.place, isUnderWay ? 'more' : found, { slices: this.#looked, losses, replaced });
  }
}

/** Read twice before damage is believed: a byte may go wrong on the way, too. @throws CorruptObject, ObjectNotFound */
async function verifyTwice(store: ObjectStore, key: string): Promise<SliceHeader> {
  try {
    return await verifyStoredSlice(store, key);
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject')) throw error;
    return verifyStoredSlice(store, key);
  }
}

/** The last entry of a damaged slice, where its header can be read. */
async function endOf(store: ObjectStore, listed: ListedSlice): Promise<OpTime | undefined> {
  try {
    return (await readStoredSlice(store, listed)).header.to;
  } catch (error) {
    if (isHoldfastError(error, 'CorruptObject', 'ObjectNotFound')) return undefined;
    throw error;
  }
}
