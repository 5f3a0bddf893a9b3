import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { nextLease, releasedLease, requireLease, type StoredLease } from '../domain/lease.ts';
import type { Lease } from '../domain/run.ts';
import { writeDocument } from './documents.ts';
import { readLease } from './leases.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

/** An archiver that is gone for so long, by the storage's clock, is followed by another. Express executions can't be asked. */
export const archiveLeaseMs = 5 * 60_000;
const renewMs = 60_000;

export interface ArchiveLeaseOptions {
  readonly state: ObjectStore;
  readonly key: string;
  /** Of this archiver alone. */
  readonly run: string;
  /** For people. */
  readonly owner: string;
  readonly now: () => Date;
  readonly logger: Logger;
}

/**
 * The lease on the archive of one replica set. It keeps a second archiver from doing the same work; that no two slices follow
 * one is what create-only writes see to. Taken when the first slice is to be written: an idle set costs no write.
 */
export class ArchiveLease {
  readonly #options: ArchiveLeaseOptions;
  #held: { readonly lease: Lease; writtenAt: number } | undefined;
  #isOver = false;

  constructor(options: ArchiveLeaseOptions) {
    this.#options = options;
  }

  /**
   * Takes the lease, or makes sure that it is still ours, and renews it in time.
   * @returns the fence. @throws DeploymentBusy (another archiver works), LeaseLost, the storage's errors
   */
  async claim(): Promise<number> {
    const fence = await this.#claim();
    if (!this.#isOver) return fence;
    // Of a turn that gave up while the storage was asked for it: nobody else would give it back.
    await this.release();
    throw new HoldfastError('LeaseLost', `Run ${this.#options.run} has given up its turn of the oplog archive.`);
  }

  async #claim(): Promise<number> {
    const { state, key, run } = this.#options;
    const current = await readLease(state, key);
    if (!this.#held) return this.#take(current);
    requireLease(current?.lease, run, this.#held.lease.fence);
    if (performance.now() - this.#held.writtenAt > renewMs && current)
      await this.#write(this.#held.lease, current.etag);
    return this.#held.lease.fence;
  }

  /** Gives the lease back, for good. Never throws: one that can't be given back expires. */
  async release(): Promise<void> {
    const { state, key, run, logger } = this.#options;
    this.#isOver = true;
    if (!this.#held) return;
    try {
      const current = await readLease(state, key);
      if (current?.lease.run !== run || current.lease.fence !== this.#held.lease.fence) return;
      await writeDocument(state, key, releasedLease(current.lease), { ifMatch: current.etag });
    } catch (error) {
      logger.warn('the lease of an archive was not given back, and expires', { key, reason: String(error) });
    }
  }

  async #take(current: StoredLease | undefined): Promise<number> {
    const { run, owner, now } = this.#options;
    if (current && current.lease.released !== true && current.lease.run !== run && (await this.#isFresh()))
      throw this.#busy(
        `${current.lease.owner} (run ${current.lease.run}) archives it since ${current.lease.acquiredAt}`,
      );
    const { lease, condition } = nextLease(current, { owner, run, now: now() }, false);
    if (condition && 'ifMatch' in condition) await this.#write(lease, condition.ifMatch);
    else if (condition) await this.#write(lease);
    this.#held ??= { lease, writtenAt: performance.now() };
    return lease.fence;
  }

  /** One that was written in the future is of a clock that has been put right: it must not be waited for until then. */
  async #isFresh(): Promise<boolean> {
    const age = await this.#options.state.age(this.#options.key);
    return age !== undefined && Math.abs(age) < archiveLeaseMs;
  }

  async #write(lease: Lease, etag?: string): Promise<void> {
    const { state, key } = this.#options;
    try {
      await writeDocument(state, key, lease, etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag });
    } catch (error) {
      if (isHoldfastError(error, 'ObjectExists', 'PreconditionFailed'))
        throw this.#busy('another archiver took it at the same moment');
      throw error;
    }
    this.#held = { lease, writtenAt: performance.now() };
  }

  #busy(why: string): HoldfastError {
    return new HoldfastError('DeploymentBusy', `The oplog archive ${this.#options.key} is held: ${why}.`);
  }
}
