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
import type { WrittenFrame } from '../packs/frame-writer.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import { decompressZstdFrame } from '../packs/zstd-frames.ts';
import type { CheckpointPlace } from './checkpoint-writer.ts';
import type { CatalogEntry, CatalogIndexes } from './list-namespaces.ts';

/** A frame with its place in the scan of its collection. */
export interface ScannedFrame {
  readonly frame: WrittenFrame;
  /** Where the scan goes on behind it, as raw BSON; undefined for a frame that ends within a batch. */
  readonly position: Buffer | undefined;
}

export interface SavedCollection {
  /** Without a gap from the first on; all in stored packs. */
  readonly frames: readonly ScannedFrame[];
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

function damaged(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The checkpoint ${key} is damaged: ${what}.`, { cause });
}

/** Keys of the records of the base that was begun last, in their order. @throws CorruptObject when one is missing */
async function lastBase({ store, prefix }: CheckpointPlace): Promise<{ began: number; keys: string[] } | undefined> {
  let began = 0;
  let keys: string[] = [];
  for await (const { key } of store.list(prefix)) {
    const parsed = parseCheckpointKey(prefix, key);
    if (!parsed) throw damaged(key, 'it is no key of a record');
    if (parsed.base !== began) keys = [];
    began = parsed.base;
    keys.push(key);
    if (key !== checkpointKey(prefix, began, keys.length))
      throw damaged(checkpointBasePrefix(prefix, began), `its record ${keys.length} is missing`);
  }
  return keys.length === 0 ? undefined : { began, keys };
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
  /** By UUID, by ordinal. */
  readonly #frames = new Map<string, (ScannedFrame | undefined)[]>();
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
        this.#scanned.delete(line.uuid);
        this.#framesOf(key, line.uuid).length = Math.min(this.#framesOf(key, line.uuid).length, line.keep);
        return;
      case 'scanned': {
        const [indexes, unfinished] = [line.indexes, line.unfinishedIndexes].map((specs) =>
          specs.map((spec) => Buffer.from(spec, 'base64')),
        ) as [Buffer[], Buffer[]];
        this.#scanned.set(line.uuid, { frames: line.frames, indexes, unfinished });
      }
    }
  }

  #addNamespace(key: string, { ns, type, uuid, options }: Extract<CheckpointLine, { kind: 'namespace' }>): void {
    const { db, coll: name } = splitNamespace(ns);
    this.#catalog.push({ ns, db, name, type, uuid, options: Buffer.from(options, 'base64') });
    if (uuid === null) return;
    if (this.#frames.has(uuid)) throw damaged(key, `it lists the UUID ${uuid} twice`);
    this.#frames.set(uuid, []);
  }

  #framesOf(key: string, uuid: string): (ScannedFrame | undefined)[] {
    const frames = this.#frames.get(uuid);
    if (!frames) throw damaged(key, `it names the UUID ${uuid}, which is not in its catalog`);
    return frames;
  }

  #addFrame(key: string, frame: CheckpointFrame): void {
    const { uuid, ordinal, pack: name, offset, length } = frame;
    const pack = this.#packs.get(name);
    if (!pack || offset + length > pack.size) throw damaged(key, `a frame of ${uuid} does not lie in its pack ${name}`);
    const frames = this.#framesOf(key, uuid);
    if (ordinal > frames.length + maxAhead) throw damaged(key, `frame ${ordinal} of ${uuid} comes too early`);
    while (frames.length < ordinal) frames.push(undefined);
    frames[ordinal] = scannedFrame(frame, pack.name);
  }

  finish(key: string): Omit<Checkpoint, 'began' | 'records'> {
    const [base, member] = [this.#base, this.#member];
    if (!base || !member) throw damaged(key, 'it does not say which base it is of');
    const collections = new Map<string, SavedCollection>();
    for (const [uuid, all] of this.#frames) {
      const gap = all.indexOf(undefined);
      const whole = (gap < 0 ? all : all.slice(0, gap)) as ScannedFrame[];
      const scanned = this.#scanned.get(uuid);
      const isScanned = scanned?.frames === whole.length;
      collections.set(uuid, {
        // Nobody goes on within what was read to its end.
        frames: isScanned ? whole.map(({ frame }) => ({ frame, position: undefined })) : whole,
        // Also when only its end is recorded, and its frames were lost with their pack: taken back, or a later attempt
        // that records as many of other frames would pass for the whole.
        named: all.length > 0 || scanned !== undefined,
        scanned: isScanned ? scanned : undefined,
      });
    }
    return { base, member, catalog: this.#catalog, packs: this.#packs, collections };
  }
}

/** @param pack its name, the same string for all of its frames */
function scannedFrame(line: CheckpointFrame, pack: string): ScannedFrame {
  const { offset, length, rawLength, documents, sha256, position } = line;
  return {
    frame: { pack, offset, length, rawLength, documents, sha256 },
    position: position === null ? undefined : Buffer.from(position, 'base64'),
  };
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
  const { began, keys } = found;
  const reader = new CheckpointReader(partPrefix);
  for (const [index, key] of keys.entries()) {
    const raw = await decompressZstdFrame((await place.store.get(key)).body, maxRecordBytes).catch((cause: unknown) => {
      throw damaged(key, (cause as Error).message, cause);
    });
    const lines = raw.toString('utf8').split('\n');
    if (lines.pop() !== '') throw damaged(key, 'its last line is cut off');
    for (const [number, text] of lines.entries()) {
      const line = parseLine(key, text);
      const isFirst = number === 0;
      if ((line.kind === 'member') !== isFirst || (line.kind === 'member' && line.record !== index + 1))
        throw damaged(key, `it is not record ${index + 1}`);
      reader.add(key, line);
    }
  }
  return { began, records: keys.length, ...reader.finish(keys[0] ?? '') };
}
