import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { CheckpointBase, CheckpointFrame, CheckpointLine, CheckpointMember } from '../../domain/checkpoint.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { checkpointBasePrefix, checkpointKey } from '../../domain/names.ts';
import type { WrittenFrame } from '../packs/frame-writer.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import { compressZstdFrame } from '../packs/zstd-frames.ts';
import type { CatalogEntry, CatalogIndexes } from './list-namespaces.ts';

/** Where the checkpoints of a part lie. */
export interface CheckpointPlace {
  /** The state storage. */
  readonly store: ObjectStore;
  /** `stateKeys.checkpoints` of the part. */
  readonly prefix: string;
}

const base64 = (specs: readonly Buffer[]): string[] => specs.map((spec) => spec.toString('base64'));

export interface CheckpointWriterOptions extends CheckpointPlace {
  /** Of the worker that began the base: names its folder. */
  readonly base: number;
  /** Records that are there already. */
  readonly records: number;
  /** What the member is now, asked after the documents of a record's frames were read. */
  readonly describeMember: () => Promise<Omit<CheckpointMember, 'kind' | 'schemaVersion' | 'record'>>;
  readonly logger: Logger;
  /** Another worker goes on with the same base. */
  readonly onLost: (error: HoldfastError) => void;
}

/**
 * Writes down how far a base has come: one immutable record after each pack that the storage has whole. A record that
 * can't be written is no failure of the dump: its lines come with the next one.
 */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  #records: number;
  /** Ready to be written, in this order. */
  #lines: CheckpointLine[] = [];
  /** In packs that are not stored yet. */
  #frames: CheckpointFrame[] = [];
  readonly #stored = new Set<string>();
  /** Handed to the storage, and not known to be there. */
  #unsure: Buffer | undefined;
  #turn: Promise<void> = Promise.resolve();
  #queued = false;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
    this.#records = options.records;
  }

  /** The first record: which base it is, and of what. */
  begin(base: CheckpointBase, catalog: readonly CatalogEntry[]): Promise<void> {
    const namespaces = catalog.map(({ ns, type, uuid, options }) => ({
      ...({ kind: 'namespace', ns, type, uuid } as const),
      options: options.toString('base64'),
    }));
    for (const line of [base, ...namespaces]) this.#lines.push(line);
    return this.flush();
  }

  /** A frame has its place in a pack, which may still be open. */
  frame(uuid: string, ordinal: number, frame: WrittenFrame, position: Buffer | undefined): void {
    this.#frames.push({ kind: 'frame', uuid, ordinal, ...frame, position: position?.toString('base64') ?? null });
  }

  /** The collection is read again behind its first `keep` frames; all of its frames have their places. */
  rescan(uuid: string, keep: number): void {
    this.#frames = this.#frames.filter((frame) => frame.uuid !== uuid || frame.ordinal < keep);
    this.#lines.push({ kind: 'rescan', uuid, keep });
  }

  scanned(uuid: string, frames: number, { indexes, unfinished }: CatalogIndexes): void {
    const specs = { indexes: base64(indexes), unfinishedIndexes: base64(unfinished) };
    this.#lines.push({ kind: 'scanned', uuid, frames, ...specs });
  }

  /** The next record is written soon: nobody waits for it. */
  packStored({ name: pack, size, crc32 }: WrittenPack): void {
    this.#stored.add(pack);
    this.#lines.push({ kind: 'pack', pack, size, crc32 });
    if (!this.#queued) void this.flush();
    this.#queued = true;
  }

  /** Resolves when everything that is stored by now is written down, or could not be. Never throws. */
  flush(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      this.#queued = false;
      try {
        await this.#write();
      } catch (error) {
        const lost = isHoldfastError(error, 'LeaseLost');
        if (lost) this.#options.onLost(error);
        else this.#options.logger.warn('a checkpoint could not be written', { reason: String(error) });
      }
    });
    return this.#turn;
  }

  /** No later attempt goes on with this base. */
  async discard(): Promise<void> {
    await this.#turn;
    const keys: string[] = [];
    const { store, prefix, base } = this.#options;
    for await (const { key } of store.list(checkpointBasePrefix(prefix, base))) keys.push(key);
    await store.delete(keys);
  }

  async #write(): Promise<void> {
    if (this.#unsure) await this.#put(this.#unsure);
    const ready = this.#frames.filter(({ pack }) => this.#stored.has(pack));
    if (this.#lines.length + ready.length === 0) return;
    if (ready.length > 0) this.#frames = this.#frames.filter(({ pack }) => !this.#stored.has(pack));
    const lines = [...this.#lines, ...ready];
    this.#lines = [];
    let member: CheckpointMember;
    try {
      const described = await this.#options.describeMember();
      member = { kind: 'member', schemaVersion: 1, record: this.#records + 1, ...described };
    } catch (error) {
      this.#lines.unshift(...lines);
      throw error;
    }
    const text = [member, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
    this.#unsure = await compressZstdFrame(Buffer.from(text), 1);
    await this.#put(this.#unsure);
  }

  /** Create-only: of two workers that go on with the same base one learns that it must not. @throws LeaseLost */
  async #put(record: Buffer): Promise<void> {
    const { store, prefix, base } = this.#options;
    const key = checkpointKey(prefix, base, this.#records + 1);
    try {
      await store.put(key, record, { ifNoneMatch: '*' });
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectExists')) throw error;
      // An earlier try may have written it and lost the answer.
      if (!(await store.get(key)).body.equals(record))
        throw new HoldfastError('LeaseLost', `Another worker wrote the checkpoint ${key}.`);
    }
    this.#records += 1;
    this.#unsure = undefined;
  }
}
