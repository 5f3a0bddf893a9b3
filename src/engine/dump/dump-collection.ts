import { BSON, type Document } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { FrameAssembler } from '../packs/frame-assembler.ts';
import type { FrameList } from '../packs/frame-list.ts';
import type { FrameWriter } from '../packs/frame-writer.ts';
import type { Source } from '../source/member-state.ts';
import { openRawCursor, type RawCursor } from '../source/raw-cursor.ts';
import { isServerError, serverCode, sourceError } from '../source/source-errors.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { type CatalogEntry, type CatalogIndexes, readIndexes } from './list-namespaces.ts';
import type { ScanPositions } from './scan-positions.ts';
import { uuidValue } from './uuid-value.ts';

export interface DumpedCollection extends CatalogIndexes {
  readonly documents: number;
  readonly rawBytes: number;
  /** In scan order. */
  readonly frames: FrameList;
}

/** How far the scan of a collection came. */
export interface ScannedFrames {
  readonly frames: FrameList;
  readonly positions: ScanPositions;
}

export interface ScanCounters {
  documents: number;
  rawBytes: number;
  /** That were asked for their size, and that were read to their end: work that shows in no other number. */
  collections: number;
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
 * @param scanned by an earlier attempt, without a gap and up to a position: goes on behind it, and is added to
 * @returns undefined when it was dropped meanwhile: the captured oplog tells the rest (mongodb-verified.md §8)
 * @throws CorruptSource, MemberStateChanged, SourceUnreachable, MissingPrivileges, and the storage's errors
 */
export async function dumpCollection(
  entry: DumpedEntry,
  scanned: ScannedFrames,
  deps: DumpCollectionDeps,
): Promise<DumpedCollection | undefined> {
  const scan = new CollectionScan(entry, scanned, deps);
  const { frames } = scanned;
  for (let fruitless = 0; fruitless < maxFruitlessScans; fruitless++) {
    const indexes = await readIndexes(deps.source, entry.db, entry.uuid);
    if (!indexes) return undefined;
    const before = frames.length;
    const ended = await scan.goOn();
    if (ended === 'whole') {
      // A find by the UUID of what is gone may answer with nothing instead of an error.
      if (frames.length <= before && !(await readIndexes(deps.source, entry.db, entry.uuid))) return undefined;
      return scan.finish(indexes);
    }
    if (frames.length > before) fruitless = 0;
  }
  throw new HoldfastError(
    'MemberStateChanged',
    `${entry.ns} changed ${maxFruitlessScans} times while it was read: it was renamed, or it is capped and overwrites itself faster than it can be read.`,
  );
}

class CollectionScan {
  readonly #entry: DumpedEntry;
  readonly #deps: DumpCollectionDeps;
  /** Between two cursors all are in their places, and the last one has a position. */
  readonly #frames: FrameList;
  readonly #positions: ScanPositions;

  constructor(entry: DumpedEntry, { frames, positions }: ScannedFrames, deps: DumpCollectionDeps) {
    this.#entry = entry;
    this.#deps = deps;
    this.#frames = frames;
    this.#positions = positions;
  }

  /** Reads on behind the last frame. `interrupted`: a drop, a rename or a full capped collection ended the cursor. */
  async goOn(): Promise<'whole' | 'interrupted'> {
    const writer = this.#deps.newFrameWriter();
    const ended = await this.#read(writer).catch((error: unknown) => this.#interruption(error));
    await writer.finish();
    if (ended === 'interrupted') this.#keep(this.#positions.framesWithin(this.#frames.length));
    return ended;
  }

  async #read(writer: FrameWriter): Promise<'whole'> {
    const { source, counters, checkpoint } = this.#deps;
    const { ns, uuid } = this.#entry;
    const cursor = await this.#open();
    let next = this.#frames.length;
    const assembler = new FrameAssembler(ns, async ({ raw, documents, position, release }) => {
      counters.documents += documents;
      counters.rawBytes += raw.length;
      const ordinal = next++;
      if (position) this.#positions.set(ordinal, position);
      await writer.write({ raw, documents, release }, (placed) => {
        this.#frames.set(ordinal, placed);
        checkpoint?.frame(uuid, ordinal, placed, position);
      });
    });
    await readInto(assembler, cursor, source);
    return 'whole';
  }

  /** @throws what did not interrupt the scan but ends it */
  #interruption(error: unknown): 'interrupted' {
    const { source } = this.#deps;
    if (isServerError(error, ...interruptions)) return 'interrupted';
    throw sourceError(error, source.member, `reading ${this.#entry.ns}`);
  }

  finish(indexes: CatalogIndexes): DumpedCollection {
    this.#deps.checkpoint?.scanned(this.#entry.uuid, this.#frames.length, indexes);
    return dumpedCollection(indexes, this.#frames);
  }

  /** The document that a position names may be gone: then an earlier one will do, twice as far back each time. */
  async #open(): Promise<RawCursor> {
    for (let back = 1; ; back *= 2) {
      const position = this.#positions.token;
      try {
        return await openScan(this.#entry, position, this.#deps.source);
      } catch (error) {
        if (!position || !isServerError(error, serverCode.keyNotFound)) throw error;
        let keep = this.#frames.length;
        for (let step = 0; step < back && keep > 0; step++) keep = this.#positions.framesWithin(keep - 1);
        this.#keep(keep);
      }
    }
  }

  /** What comes behind is read again. */
  #keep(keep: number): void {
    this.#positions.truncate(keep);
    if (keep === this.#frames.length) return;
    const { documents, rawBytes } = this.#frames.totals(keep);
    this.#deps.counters.documents -= documents;
    this.#deps.counters.rawBytes -= rawBytes;
    this.#frames.truncate(keep);
    this.#deps.checkpoint?.rescan(this.#entry.uuid, keep);
  }
}

export function dumpedCollection({ indexes, unfinished }: CatalogIndexes, frames: FrameList): DumpedCollection {
  return { indexes, unfinished, ...frames.totals(), frames };
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
