import { BSON, type Document } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { FrameAssembler } from '../packs/frame-assembler.ts';
import type { FrameWriter, WrittenFrame } from '../packs/frame-writer.ts';
import type { Source } from '../source/member-state.ts';
import { openRawCursor, type RawCursor } from '../source/raw-cursor.ts';
import { isServerError, serverCode, sourceError } from '../source/source-errors.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { type CatalogEntry, type CatalogIndexes, readIndexes } from './list-namespaces.ts';
import type { ScannedFrame } from './read-checkpoint.ts';
import { uuidValue } from './uuid-value.ts';

export interface DumpedCollection extends CatalogIndexes {
  readonly documents: number;
  readonly rawBytes: number;
  /** In scan order. */
  readonly frames: readonly WrittenFrame[];
}

export interface ScanCounters {
  documents: number;
  rawBytes: number;
}

export interface DumpCollectionDeps {
  readonly source: Source;
  readonly newFrameWriter: () => FrameWriter;
  /** Of the whole dump, for progress; what is read again is taken off first. */
  readonly counters: ScanCounters;
  readonly checkpoint: CheckpointWriter | undefined;
}

const interruptions = [
  serverCode.queryPlanKilled,
  serverCode.namespaceNotFound,
  serverCode.cappedPositionLost,
] as const;

/** More renames in a row than any application does within one batch, and more patience than a full capped collection deserves. */
const maxFruitlessScans = 20;

type DumpedEntry = CatalogEntry & { readonly uuid: string };

/**
 * Reads one collection whole, in natural order, addressed by its UUID so that a rename does not matter. What ends a scan
 * (a rename, say) ends it at its last frame: the next one goes on behind it.
 * @param saved frames of an earlier attempt; the last one says where the scan goes on
 * @returns undefined when it was dropped meanwhile: the captured oplog tells the rest (mongodb-verified.md §8)
 * @throws CorruptSource, MemberStateChanged, SourceUnreachable, MissingPrivileges, and the storage's errors
 */
export async function dumpCollection(
  entry: DumpedEntry,
  saved: readonly ScannedFrame[],
  deps: DumpCollectionDeps,
): Promise<DumpedCollection | undefined> {
  const scan = new CollectionScan(entry, saved, deps);
  for (let fruitless = 0; fruitless < maxFruitlessScans; fruitless++) {
    const indexes = await readIndexes(deps.source, entry.db, entry.uuid);
    if (!indexes) return undefined;
    const before = scan.frames.length;
    const ended = await scan.goOn();
    if (ended === 'whole') {
      // A find by the UUID of what is gone may answer with nothing instead of an error.
      if (scan.frames.length <= before && !(await readIndexes(deps.source, entry.db, entry.uuid))) return undefined;
      return scan.finish(indexes);
    }
    if (scan.frames.length > before) fruitless = 0;
  }
  throw new HoldfastError(
    'MemberStateChanged',
    `${entry.ns} changed ${maxFruitlessScans} times while it was read: it was renamed, or it is capped and overwrites itself faster than it can be read.`,
  );
}

class CollectionScan {
  readonly #entry: DumpedEntry;
  readonly #deps: DumpCollectionDeps;
  /** All in their places; the last one has a position, but after the end of the collection. */
  frames: ScannedFrame[];

  constructor(entry: DumpedEntry, saved: readonly ScannedFrame[], deps: DumpCollectionDeps) {
    this.#entry = entry;
    this.#deps = deps;
    this.frames = [...saved];
  }

  /** Reads on behind the last frame. `interrupted`: a drop, a rename or a full capped collection ended the cursor. */
  async goOn(): Promise<'whole' | 'interrupted'> {
    const { source, counters, checkpoint, newFrameWriter } = this.#deps;
    const { ns, uuid } = this.#entry;
    const writer = newFrameWriter();
    const positions: (Buffer | undefined)[] = [];
    const assembler = new FrameAssembler(ns, async ({ raw, documents, position, release }) => {
      counters.documents += documents;
      counters.rawBytes += raw.length;
      const ordinal = this.frames.length + positions.push(position) - 1;
      const frame = { raw, documents, release };
      await writer.write(frame, (placed) => checkpoint?.frame(uuid, ordinal, placed, position));
    });
    let ended: 'whole' | 'interrupted' = 'whole';
    try {
      await readInto(assembler, await this.#open(), source);
    } catch (error) {
      if (!isServerError(error, ...interruptions)) throw sourceError(error, source.member, `reading ${ns}`);
      ended = 'interrupted';
    }
    const written = await writer.finish();
    for (const [index, frame] of written.entries()) this.frames.push({ frame, position: positions[index] });
    if (ended === 'interrupted') this.#keep(this.#lastPosition(this.frames.length) + 1);
    return ended;
  }

  finish(indexes: CatalogIndexes): DumpedCollection {
    this.#deps.checkpoint?.scanned(this.#entry.uuid, this.frames.length, indexes);
    return dumpedCollection(indexes, this.frames);
  }

  /** The document that a position names may be gone: then an earlier one will do, twice as far back each time. */
  async #open(): Promise<RawCursor> {
    for (let back = 1; ; back *= 2) {
      const position = this.frames.at(-1)?.position;
      try {
        return await openScan(this.#entry, position, this.#deps.source);
      } catch (error) {
        if (!position || !isServerError(error, serverCode.keyNotFound)) throw error;
        let keep = this.frames.length;
        for (let step = 0; step < back && keep > 0; step++) keep = this.#lastPosition(keep - 1) + 1;
        this.#keep(keep);
      }
    }
  }

  /** Index of the last of the first `count` frames behind which a scan can go on; -1 for none. */
  #lastPosition(count: number): number {
    return this.frames.findLastIndex(({ position }, index) => index < count && position !== undefined);
  }

  /** What comes behind is read again. */
  #keep(frames: number): void {
    if (frames === this.frames.length) return;
    const { documents, rawBytes } = totalsOf(this.frames.slice(frames));
    this.#deps.counters.documents -= documents;
    this.#deps.counters.rawBytes -= rawBytes;
    this.frames.length = frames;
    this.#deps.checkpoint?.rescan(this.#entry.uuid, frames);
  }
}

export function totalsOf(frames: readonly ScannedFrame[]): ScanCounters {
  const totals = { documents: 0, rawBytes: 0 };
  for (const { frame } of frames) {
    totals.documents += frame.documents;
    totals.rawBytes += frame.rawLength;
  }
  return totals;
}

export function dumpedCollection(
  { indexes, unfinished }: CatalogIndexes,
  frames: readonly ScannedFrame[],
): DumpedCollection {
  return { indexes, unfinished, ...totalsOf(frames), frames: frames.map(({ frame }) => frame) };
}

/** @throws the server's KeyNotFound when the document behind which the scan is to go on does not exist any more */
function openScan(entry: DumpedEntry, position: Buffer | undefined, source: Source): Promise<RawCursor> {
  const find: Document = {
    find: uuidValue(entry.uuid),
    hint: { $natural: 1 },
    // Back-pressure may hold a scan for longer than the ten minutes that an idle cursor lives.
    noCursorTimeout: true,
    $_requestResumeToken: true,
  };
  // As it came: a RecordId that is a long must go back as a long.
  if (position) find['$_resumeAfter'] = BSON.deserialize(position, { promoteValues: false });
  return openRawCursor(source.client, entry.db, find, { signal: source.signal });
}

async function readInto(assembler: FrameAssembler, cursor: RawCursor, source: Source): Promise<void> {
  try {
    for (let batch = await cursor.next(); batch; batch = await cursor.next()) {
      source.signal.throwIfAborted();
      await source.brake?.take(batch.length, source.signal);
      await assembler.add(batch, cursor.resumeToken, cursor.release);
    }
  } finally {
    await cursor.close();
  }
}
