import {
  type CheckpointBase,
  type CheckpointFrame,
  type CheckpointLine,
  checkpointLineSchema,
  type CheckpointMember,
} from '../../domain/checkpoint.ts';
import { HoldfastError } from '../../domain/errors.ts';
import {
  artifactKeys,
  checkpointBasePrefix,
  checkpointKey,
  parseCheckpointKey,
  splitNamespace,
} from '../../domain/names.ts';
import { FrameList, fitsFrameList } from '../packs/frame-list.ts';
import { inOrder } from '../packs/in-order.ts';
import { NumberedNames } from '../packs/numbered-names.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import { decompressZstdFrame } from '../packs/zstd-frames.ts';
import type { CheckpointPlace } from './checkpoint-writer.ts';
import type { ScannedFrames } from './dump-collection.ts';
import type { CatalogEntry, CatalogIndexes } from './list-namespaces.ts';
import { ScanPositions } from './scan-positions.ts';

/** Its frames are without a gap, all in stored packs; who goes on with the base adds to them. */
export interface SavedCollection extends ScannedFrames {
  /** Whether a record says anything of the collection, also what is of no use. */
  readonly named: boolean;
  /** Of a collection that was read to its end; undefined for one that was not. */
  readonly scanned: CatalogIndexes | undefined;
}

/** What an earlier attempt left of a base. */
export interface SavedBase {
  /** As it was when the base began: what came later is in the captured oplog. */
  readonly catalog: readonly CatalogEntry[];
  /** Stored whole, by name. */
  readonly packs: ReadonlyMap<string, WrittenPack>;
  /** Those that the lists of its frames share. */
  readonly packNames: NumberedNames;
  /** By UUID. */
  readonly collections: ReadonlyMap<string, SavedCollection>;
}

/** What the records of a base say. */
export interface Checkpoint extends SavedBase {
  /** Attempt that began the base. */
  readonly began: number;
  readonly records: number;
  readonly base: CheckpointBase;
  readonly member: CheckpointMember;
}

/** Far more than the lines between two packs, or a catalog of a hundred thousand collections. */
const maxRecordBytes = 256 * 1024 * 1024;
const maxReasonLength = 300;
/** Frames of one collection that are written down are at most so far apart: those that were compressed at once. */
const maxAhead = 100_000;
/** Each is some kilobytes, and there is one for every 128 MiB that are stored. */
const recordsAhead = 16;

function damaged(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The checkpoint ${key} is damaged: ${what}.`, { cause });
}

/** The base that was begun last, and how many records it has. @throws CorruptObject when one is missing */
async function lastBase({ store, prefix }: CheckpointPlace): Promise<{ began: number; records: number } | undefined> {
  let began = 0;
  let records = 0;
  for await (const { key } of store.list(prefix)) {
    const parsed = parseCheckpointKey(prefix, key);
    if (!parsed) throw damaged(key, 'it is no key of a record');
    records = parsed.base === began ? records + 1 : 1;
    began = parsed.base;
    if (parsed.record !== records)
      throw damaged(checkpointBasePrefix(prefix, began), `its record ${records} is missing`);
  }
  return records === 0 ? undefined : { began, records };
}

function parseLine(key: string, text: string): CheckpointLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(key, 'a line is not JSON', cause);
  }
  const { schemaVersion } = (json ?? {}) as { schemaVersion?: unknown };
  if (typeof schemaVersion === 'number' && schemaVersion > 1)
    throw new HoldfastError('UnsupportedFormat', `The checkpoint ${key} was written by a newer release.`);
  const parsed = checkpointLineSchema.safeParse(json);
  if (!parsed.success) throw damaged(key, parsed.error.message.slice(0, maxReasonLength));
  return parsed.data;
}

class CheckpointReader {
  readonly #partPrefix: string;
  #base: CheckpointBase | undefined;
  #member: CheckpointMember | undefined;
  readonly #catalog: CatalogEntry[] = [];
  readonly #packs = new Map<string, WrittenPack>();
  readonly #packNames = new NumberedNames();
  /** By UUID. */
  readonly #collections = new Map<string, ScannedFrames>();
  readonly #scanned = new Map<string, CatalogIndexes & { readonly frames: number }>();

  constructor(partPrefix: string) {
    this.#partPrefix = partPrefix;
  }

  add(key: string, line: CheckpointLine): void {
    switch (line.kind) {
      case 'member':
        this.#member = line;
        return;
      case 'base':
        this.#base = line;
        return;
      case 'namespace':
        this.#addNamespace(key, line);
        return;
      case 'pack': {
        const { pack: name, size, crc32 } = line;
        this.#packs.set(name, { name, key: artifactKeys.pack(this.#partPrefix, name), size, crc32 });
        return;
      }
      case 'frame':
        this.#addFrame(key, line);
        return;
      case 'rescan':
        this.#rescan(key, line);
        return;
      case 'scanned': {
        const [indexes, unfinished] = [line.indexes, line.unfinishedIndexes].map((specs) =>
          specs.map((spec) => Buffer.from(spec, 'base64')),
        ) as [Buffer[], Buffer[]];
        this.#scanned.set(line.uuid, { frames: line.frames, indexes, unfinished });
        this.#forgetPositions(line.uuid);
      }
    }
  }

  #addNamespace(key: string, { ns, type, uuid, options }: Extract<CheckpointLine, { kind: 'namespace' }>): void {
    const { db, coll: name } = splitNamespace(ns);
    this.#catalog.push({ ns, db, name, type, uuid, options: Buffer.from(options, 'base64') });
    if (uuid === null) return;
    if (this.#collections.has(uuid)) throw damaged(key, `it lists the UUID ${uuid} twice`);
    this.#collections.set(uuid, { frames: new FrameList(this.#packNames), positions: new ScanPositions() });
  }

  #collection(key: string, uuid: string): ScannedFrames {
    const collection = this.#collections.get(uuid);
    if (!collection) throw damaged(key, `it names the UUID ${uuid}, which is not in its catalog`);
    return collection;
  }

  #addFrame(key: string, { uuid, ordinal, position, ...frame }: CheckpointFrame): void {
    const pack = this.#packs.get(frame.pack);
    if (!pack || frame.offset + frame.length > pack.size || !fitsFrameList(frame))
      throw damaged(key, `a frame of ${uuid} does not lie in its pack ${frame.pack}`);
    const { frames, positions } = this.#collection(key, uuid);
    if (ordinal > frames.length + maxAhead) throw damaged(key, `frame ${ordinal} of ${uuid} comes too early`);
    frames.set(ordinal, frame);
    if (position !== null) positions.set(ordinal, Buffer.from(position, 'base64'));
    this.#forgetPositions(uuid);
  }

  #rescan(key: string, { uuid, keep }: Extract<CheckpointLine, { kind: 'rescan' }>): void {
    this.#scanned.delete(uuid);
    const { frames, positions } = this.#collection(key, uuid);
    frames.truncate(keep);
    positions.truncate(keep);
  }

  /** Nobody goes on within what was read to its end: thousands of collections would keep a thousand positions each. */
  #forgetPositions(uuid: string): void {
    const collection = this.#collections.get(uuid);
    if (collection && this.#isWhole(uuid, collection)) collection.positions.truncate(0);
  }

  #isWhole(uuid: string, { frames }: ScannedFrames): boolean {
    const scanned = this.#scanned.get(uuid);
    return scanned !== undefined && frames.count === frames.length && frames.length === scanned.frames;
  }

  finish(key: string): Omit<Checkpoint, 'began' | 'records'> {
    const [base, member] = [this.#base, this.#member];
    if (!base || !member) throw damaged(key, 'it does not say which base it is of');
    const collections = new Map<string, SavedCollection>();
    for (const [uuid, { frames, positions }] of this.#collections) {
      // Also when only its end is recorded, and its frames were lost with their pack: taken back, or a later attempt
      // that records as many of other frames would pass for the whole.
      const named = frames.length > 0 || this.#scanned.has(uuid);
      const whole = frames.firstGap();
      frames.truncate(whole);
      positions.truncate(whole);
      const scanned = this.#isWhole(uuid, { frames, positions }) ? this.#scanned.get(uuid) : undefined;
      collections.set(uuid, { frames, positions, named, scanned });
    }
    const [catalog, packs, packNames] = [this.#catalog, this.#packs, this.#packNames];
    return { base, member, catalog, packs, packNames, collections };
  }
}

/**
 * How far the base came that was begun last.
 * @param partPrefix of the artifact storage
 * @returns undefined when no base was begun
 * @throws CorruptObject, UnsupportedFormat: nothing of it may be used; the state storage's errors
 */
export async function readCheckpoint(place: CheckpointPlace, partPrefix: string): Promise<Checkpoint | undefined> {
  const found = await lastBase(place);
  if (!found) return undefined;
  const { began, records } = found;
  const { store, prefix } = place;
  const reader = new CheckpointReader(partPrefix);
  const keys = Array.from({ length: records }, (_none, index) => checkpointKey(prefix, began, index + 1));
  let record = 0;
  for await (const { key, body } of inOrder(keys, recordsAhead, async (key) => ({
    key,
    body: (await store.get(key)).body,
  }))) {
    record += 1;
    const raw = await decompressZstdFrame(body, maxRecordBytes).catch((cause: unknown) => {
      throw damaged(key, (cause as Error).message, cause);
    });
    const lines = raw.toString('utf8').split('\n');
    if (lines.pop() !== '') throw damaged(key, 'its last line is cut off');
    for (const [number, text] of lines.entries()) {
      const line = parseLine(key, text);
      const isFirst = number === 0;
      if ((line.kind === 'member') !== isFirst || (line.kind === 'member' && line.record !== record))
        throw damaged(key, `it is not record ${record}`);
      reader.add(key, line);
    }
  }
  return { began, records, ...reader.finish(checkpointBasePrefix(prefix, began)) };
}
