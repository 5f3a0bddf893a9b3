import { HoldfastError } from '../../domain/errors.ts';
import { FrameAssembler } from '../packs/frame-assembler.ts';
import type { FrameWriter, WrittenFrame } from '../packs/frame-writer.ts';
import type { Source } from '../source/member-state.ts';
import { openRawCursor } from '../source/raw-cursor.ts';
import { isServerError, serverCode, sourceError } from '../source/source-errors.ts';
import { type CatalogEntry, type CatalogIndexes, readIndexes } from './list-namespaces.ts';
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
}

const interruptions = [
  serverCode.queryPlanKilled,
  serverCode.namespaceNotFound,
  serverCode.cappedPositionLost,
] as const;

/** More renames than any application does during one scan, and more patience than a full capped collection deserves. */
const maxScans = 20;

/**
 * Reads one collection whole, in natural order, addressed by its UUID so that a rename does not matter.
 * @returns undefined when it was dropped meanwhile: the captured oplog tells the rest (mongodb-verified.md §8)
 * @throws CorruptSource, MemberStateChanged, SourceUnreachable, MissingPrivileges, and the storage's errors
 */
export async function dumpCollection(
  entry: CatalogEntry & { readonly uuid: string },
  deps: DumpCollectionDeps,
): Promise<DumpedCollection | undefined> {
  for (let scan = 1; scan <= maxScans; scan++) {
    const indexes = await readIndexes(deps.source, entry.db, entry.uuid);
    if (!indexes) return undefined;
    const scanned = await scanCollection(entry, deps);
    if (scanned !== 'interrupted') return { ...indexes, ...scanned };
  }
  throw new HoldfastError(
    'MemberStateChanged',
    `${entry.ns} changed ${maxScans} times while it was read: it was renamed, or it is capped and overwrites itself faster than it can be read.`,
  );
}

/** One scan. `interrupted`: a drop, a rename or a full capped collection ended the cursor; its frames are in no index. */
async function scanCollection(
  entry: CatalogEntry & { readonly uuid: string },
  { source, newFrameWriter, counters }: DumpCollectionDeps,
): Promise<Pick<DumpedCollection, 'documents' | 'rawBytes' | 'frames'> | 'interrupted'> {
  const writer = newFrameWriter();
  const assembler = new FrameAssembler(entry.ns, async ({ raw, documents }) => {
    counters.documents += documents;
    counters.rawBytes += raw.length;
    await writer.write(raw, documents);
  });
  try {
    await readInto(assembler, entry, source);
  } catch (error) {
    if (!isServerError(error, ...interruptions)) throw sourceError(error, source.member, `reading ${entry.ns}`);
    counters.documents -= assembler.documents;
    counters.rawBytes -= assembler.rawBytes;
    return 'interrupted';
  }
  const frames = await writer.finish();
  return { documents: assembler.documents, rawBytes: assembler.rawBytes, frames };
}

async function readInto(
  assembler: FrameAssembler,
  entry: CatalogEntry & { readonly uuid: string },
  source: Source,
): Promise<void> {
  // Back-pressure may hold a scan for longer than the ten minutes that an idle cursor lives.
  const find = {
    find: uuidValue(entry.uuid),
    hint: { $natural: 1 },
    noCursorTimeout: true,
    $_requestResumeToken: true,
  };
  const cursor = await openRawCursor(source.client, entry.db, find, { signal: source.signal, reuseMemory: true });
  try {
    for (let batch = await cursor.next(); batch; batch = await cursor.next()) {
      source.signal.throwIfAborted();
      await source.brake?.take(batch.length, source.signal);
      await assembler.add(batch, cursor.resumeToken);
    }
    await assembler.flush();
  } finally {
    await cursor.close();
  }
}
