import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { GapReason } from '../../domain/oplog-archive.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { freeBytes } from '../packs/free-bytes.ts';
import { crc32Hex, requireWritten } from '../packs/written-object.ts';
import type { Source } from '../source/member-state.ts';
import { breaksReplay } from './breaking-entries.ts';
import type { OplogEntry } from './oplog-entry.ts';
import { readOplog } from './oplog-source.ts';
import type { StoredSlice } from './read-chain.ts';
import { verifyStoredSlice } from './read-slices.ts';
import { SliceBuilder, type SliceOrigin } from './slice-builder.ts';
import { type PreparedTransaction, verifySlice } from './slice-format.ts';

export interface ArchiveTarget {
  readonly store: ObjectStore;
  /** `/` at its end. */
  readonly archivePrefix: string;
  readonly origin: Omit<SliceOrigin, 'fence'>;
  /** Asked before each slice is written: the archive is ours alone. @returns the fence. @throws when it is another's */
  readonly claim: () => Promise<number>;
  /**
   * Before the slice is written that holds the entries: replays end at `after`, and begin at `before`. One event of the
   * server or of a restore is several such entries; those of one slice are one break.
   */
  readonly onBreak: (reason: GapReason, after: OpTime, before: OpTime) => Promise<void>;
  /** Whether a slice is read back once it is written. */
  readonly rereads: (key: string) => boolean;
}

/** Where an archive goes on: after a slice, or from the entry with which it begins. */
export interface ArchiveStart {
  readonly from: OpTime;
  /** Of the slice before. */
  readonly prepared: readonly PreparedTransaction[];
  /** Nothing leads to `from`: its first slice is written, however little is in it. */
  readonly begins: boolean;
}

export interface ArchiveLimits {
  /** Whether the time for this step is over. */
  readonly isOver: () => boolean;
  /** Seconds of the source's time after which a slice is written although nothing but empty entries happened. */
  readonly idleSeconds: number;
}

export interface ArchiveStep {
  /** Written by this step, and perhaps, as the last one, a slice that another archiver wrote. */
  readonly slices: readonly StoredSlice[];
  /** Up to it everything is archived, or was an empty entry. */
  readonly checkedTo: OpTime;
  /** More is there than this step took. */
  readonly more: boolean;
  readonly entries: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** Looking at the clock costs as much as a small entry; after a slice was written it is looked at too. */
const entriesBetweenLooks = 256;

/** Takes a member's oplog into the archive, slice after slice, each continuing the one before. For one step. */
export class ArchiveWriter {
  readonly #source: Source;
  readonly #target: ArchiveTarget;
  readonly #slices: StoredSlice[] = [];
  readonly #written = { entries: 0, rawBytes: 0, storedBytes: 0 };
  #builder: SliceBuilder;
  #from: OpTime;
  /** Entries that are more than empty wait in the builder. */
  #worthwhile: boolean;
  #last: OpTime;
  /** Of the slice that is being built. */
  #breaks: { readonly reason: GapReason; readonly after: OpTime; before: OpTime }[] = [];

  constructor(source: Source, target: ArchiveTarget, start: ArchiveStart) {
    this.#source = source;
    this.#target = target;
    this.#from = start.from;
    this.#last = start.from;
    this.#worthwhile = start.begins;
    this.#builder = new SliceBuilder({ ...target.origin, fence: 0 }, start.prepared);
  }

  /**
   * Archives up to `upTo`, which must be majority-committed, or as far as the time allows. The first entry read is proved to
   * be the last one archived, same timestamp and term (consistency rule 8).
   * @throws OplogRolledOver, OplogGap, VerificationFailed, SourceUnreachable, the storage's errors, what `claim` throws
   */
  async advance(upTo: OpTime, limits: ArchiveLimits): Promise<ArchiveStep> {
    let read = 0;
    let more = false;
    for await (const entry of readOplog(this.#source, this.#from, upTo.ts)) {
      const before = this.#slices.length;
      if (read > 0 && !(await this.#makeRoom(entry))) return this.#step(true);
      await this.#append(entry);
      read += 1;
      const isLookedAt = read % entriesBetweenLooks === 0 || this.#slices.length > before;
      // A slice has at least two entries.
      more = read > 1 && isLookedAt && limits.isOver();
      if (more) break;
    }
    if (!more && !sameOpTime(this.#last, upTo)) throw this.#unreached(upTo);
    const idleFor = this.#last.ts.t - this.#from.ts.t;
    const worthwhile = this.#worthwhile || more || idleFor >= limits.idleSeconds;
    const taken = this.#builder.entries > 1 && worthwhile && (await this.#close()) === 'taken';
    return this.#step(more || taken);
  }

  async #append(entry: OplogEntry): Promise<void> {
    await this.#builder.append(entry);
    this.#last = entry.opTime;
  }

  #step(more: boolean): ArchiveStep {
    return { slices: this.#slices, checkedTo: this.#last, more, ...this.#written };
  }

  /** The member said that it has `upTo`, and all before it, but does not show it. */
  #unreached(upTo: OpTime): HoldfastError {
    return new HoldfastError(
      'OplogGap',
      `The oplog of ${this.#source.member} does not hold ${describeOpTime(upTo)}: it shows ${describeOpTime(this.#last)} instead.`,
    );
  }

  /** Looks at an entry that is new, and closes the slice where it is full. @returns false when another archiver was faster */
  async #makeRoom(entry: OplogEntry): Promise<boolean> {
    if (!this.#builder.hasRoomFor(entry.raw.length) && (await this.#close()) === 'taken') return false;
    const reason = breaksReplay(entry);
    const known = this.#breaks.find((one) => one.reason === reason);
    if (known) known.before = entry.opTime;
    else if (reason !== undefined) this.#breaks.push({ reason, after: this.#last, before: entry.opTime });
    if (reason !== undefined || entry.op !== 'n') this.#worthwhile = true;
    return true;
  }

  /** Writes what the builder holds, and begins the next slice with its last entry; or takes over what another wrote there. */
  async #close(): Promise<'written' | 'taken'> {
    const fence = await this.#target.claim();
    const made = await this.#builder.finish(fence);
    if (!made) return 'written';
    const { header, body } = made;
    const key = artifactKeys.slice(this.#target.archivePrefix, header.from.ts);
    const slice = { key, size: body.length, header };
    const isReread = this.#target.rereads(key);
    // Before it is there: what is read back need only be the same bytes.
    if (isReread) await verifySlice(key, body);
    for (const { reason, after, before } of this.#breaks) await this.#target.onBreak(reason, after, before);
    this.#breaks = [];
    try {
      const written = await this.#target.store.put(key, body, { ifNoneMatch: '*' });
      requireWritten(written, body.length, crc32Hex(crc32(body)));
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectExists')) throw error;
      if (await this.#take(slice, body)) return 'taken';
    }
    if (isReread && (await this.#reread(slice, body)) === 'taken') return 'taken';
    this.#slices.push(slice);
    this.#written.entries += header.entries - 1;
    this.#written.rawBytes += header.rawBytes;
    this.#written.storedBytes += body.length;
    this.#builder = this.#builder.next(body);
    // Left to the collector it is there until after the next one was made.
    freeBytes(body);
    this.#from = header.to;
    this.#worthwhile = false;
    return 'written';
  }

  /**
   * Another archiver's slice from the same entry leads on as well as ours would have; a damaged one is replaced by ours.
   * @returns whether it was taken
   */
  async #take({ key, header: ours }: StoredSlice, body: Buffer): Promise<boolean> {
    const { store } = this.#target;
    const there = await store.head(key);
    const header = await verifyStoredSlice(store, key).catch((error: unknown) => {
      if (isHoldfastError(error, 'CorruptObject', 'ObjectNotFound')) return undefined;
      throw error;
    });
    if (!header || !there) {
      await store.put(key, body, there ? { ifMatch: there.etag } : { ifNoneMatch: '*' });
      return false;
    }
    if (!sameOpTime(header.from, ours.from) || compareTimestamps(header.from.ts, header.to.ts) >= 0)
      throw new HoldfastError(
        'OplogGap',
        `${key} holds ${describeOpTime(header.from)} to ${describeOpTime(header.to)}, which is another history than that of ${this.#source.member}: ${describeOpTime(ours.from)} to ${describeOpTime(ours.to)}.`,
      );
    this.#slices.push({ key, size: there.size, header });
    this.#last = header.to;
    return true;
  }

  /**
   * Reads a slice back and compares it, byte for byte, with what was written; one that is not the same is written once more, over what is
   * there now, unless that is another archiver's, which went on while this one hung.
   * @throws VerificationFailed when the storage does not keep it the second time either; what `claim` throws
   */
  async #reread(slice: StoredSlice, body: Buffer): Promise<'whole' | 'taken'> {
    const { store } = this.#target;
    if (await isKept(store, slice.key, body)) return 'whole';
    await this.#target.claim();
    if (await this.#take(slice, body)) return 'taken';
    if (await isKept(store, slice.key, body)) return 'whole';
    throw new HoldfastError(
      'VerificationFailed',
      `The oplog slice ${slice.key} in ${store.description} was written twice, and read back it was another each time.`,
      { details: { key: slice.key } },
    );
  }
}

/** Bytes that are read back at once: a slice of two large entries would be in memory twice. */
const pieceBytes = 4 * 1024 * 1024;

/** Whether the storage gives back the very bytes. */
async function isKept(store: ObjectStore, key: string, body: Buffer): Promise<boolean> {
  try {
    if (body.length <= pieceBytes) return isSame(body, (await store.get(key)).body);
    if ((await store.head(key))?.size !== body.length) return false;
    for (let at = 0; at < body.length; at += pieceBytes) {
      const expected = body.subarray(at, at + pieceBytes);
      if (!isSame(expected, await store.getRange(key, at, expected.length))) return false;
    }
    return true;
  } catch (error) {
    if (isHoldfastError(error, 'CorruptObject', 'ObjectNotFound')) return false;
    throw error;
  }
}

/** @param read of no use afterwards */
function isSame(expected: Buffer, read: Buffer): boolean {
  const same = expected.equals(read);
  freeBytes(read);
  return same;
}
