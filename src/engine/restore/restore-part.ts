import type { MongoClient } from 'mongodb';
import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { RestoreResult } from '../../domain/restore-result.ts';
import { readSliceStream } from '../oplog/read-slices.ts';
import { CollectionCatalog } from '../replay/collection-catalog.ts';
import { CollectionMap, FinalNames } from '../replay/collection-map.ts';
import { type ReplayCounts, replayOplog } from '../replay/replay-oplog.ts';
import { applyExpiry, buildIndexes, type FinishDeps } from './build-indexes.ts';
import { limitCapped } from './capped-limits.ts';
import { clearTarget, requireSameIncarnation } from './check-target.ts';
import { carriedCollections, loadCollections } from './load-collections.ts';
import { dropTemporaryUsers, mergeUsers } from './merge-users.ts';
import { type PreparedRestore, prepareRestore, type RestoreSubject } from './prepare-restore.ts';
import { makeViews } from './make-views.ts';
import { readLoaded, removeOtherMarks, type RestoreMark, writeMark } from './restore-mark.ts';
import { TargetCollections, takesUuids } from './target-collections.ts';
import { verifyRestore } from './verify-restore.ts';

export interface RestorePartInput extends RestoreSubject {
  /** Connections that load, replay and build at once. */
  readonly parallel: number;
  /** With `users`: only those of these databases, everyone else in the target stays. */
  readonly usersOf?: readonly string[] | undefined;
  /** Leaves every TTL off, so that nothing that has expired since is deleted. */
  readonly keepExpired: boolean;
}

export type RestorePhase = 'check' | 'load' | 'replay' | 'indexes' | 'verify' | 'users';

export interface RestoreProgress {
  readonly phase: RestorePhase;
  /** Of the base, so far. */
  readonly documents: number;
  readonly rawBytes: number;
  /** What rawBytes will be at the end of the load. */
  readonly totalBytes: number;
  readonly entries: number;
  readonly totalEntries: number;
}

export interface RestorePartDeps {
  /** To the target, with the restore user. */
  readonly client: MongoClient;
  /** The storage that holds the backup. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RestoreProgress) => void;
}

class Restore {
  readonly #input: RestorePartInput;
  readonly #deps: RestorePartDeps;
  readonly #prepared: PreparedRestore;
  readonly #seconds: Record<string, number> = {};
  readonly #warnings: string[] = [];
  readonly #repeated = new Map<string, number>();
  readonly #finish: FinishDeps;
  readonly #progress: { -readonly [K in keyof RestoreProgress]: RestoreProgress[K] };

  constructor(input: RestorePartInput, deps: RestorePartDeps, prepared: PreparedRestore, checkSeconds: number) {
    this.#input = input;
    this.#deps = deps;
    this.#prepared = prepared;
    this.#seconds['check'] = checkSeconds;
    const { client, signal } = deps;
    const { index, selected } = prepared;
    const map = selected ? new FinalNames(selected.collections) : new CollectionMap();
    this.#finish = { client, signal, map, catalog: new CollectionCatalog() };
    const loaded = new Set(carriedCollections(index, input.users, selected?.collections).map(({ ns }) => ns));
    const totalBytes = [...index.frames.rawBytesByName()].reduce(
      (sum, [ns, raw]) => sum + (loaded.has(ns) ? raw : 0),
      0,
    );
    const totals = { totalBytes, totalEntries: prepared.scan.entries };
    this.#progress = { phase: 'load', documents: 0, rawBytes: 0, entries: 0, ...totals };
  }

  async run(): Promise<RestoreResult> {
    const { client } = this.#deps;
    const { facts, selected } = this.#prepared;
    if (facts.occupied) await clearTarget(client, this.#input.selection?.scope);
    else await dropTemporaryUsers(client);
    await this.#mark('loading');
    await removeOtherMarks(client, this.#input.runId);
    // Where others live, the source's UUIDs may be taken: by the very collections that a restore makes again.
    const kept = !selected && (await takesUuids(client));
    if (!kept && !selected)
      this.#warnings.push('The target takes no collection UUIDs from outside: its collections have new ones.');
    const collections = new TargetCollections(client, selected ? 'final' : kept ? 'keep' : 'fresh');
    await this.#phase('load', () => this.#load(collections));
    const counts = await this.#phase('replay', () => this.#replay(collections));
    const indexes = await this.#phase('indexes', () => this.#buildIndexes());
    await this.#phase('verify', () => this.#verify(collections, counts.touched, false));
    const usersAndRoles = this.#input.users ? await this.#phase('users', () => this.#mergeUsers()) : null;
    if (!this.#input.keepExpired) await this.#phase('verify', () => this.#expire(collections));
    await this.#mark('finishing');
    const result = this.#result(counts, indexes, usersAndRoles, kept);
    // Only now: what the barrier covers can no longer be lost with a primary, so that `loaded` is true wherever it is read.
    await writeMark(client, { run: this.#input.runId, state: 'loaded', at: this.#deps.clock.now(), result });
    return result;
  }

  /** Also the barrier: everything written before is on a majority when it resolves. @throws TargetUnreachable */
  async #mark(state: Exclude<RestoreMark['state'], 'loaded'>): Promise<void> {
    await writeMark(this.#deps.client, { run: this.#input.runId, state, at: this.#deps.clock.now() });
    await requireSameIncarnation(this.#deps.client, this.#prepared.facts);
  }

  async #phase<T>(phase: RestorePhase, work: () => Promise<T>): Promise<T> {
    this.#deps.signal.throwIfAborted();
    this.#progress.phase = phase;
    this.#report();
    const from = performance.now();
    const result = await work();
    const seconds = (performance.now() - from) / 1000;
    this.#seconds[phase] = (this.#seconds[phase] ?? 0) + seconds;
    this.#deps.logger.info('Restore phase done', { part: this.#input.part, phase, seconds });
    return result;
  }

  /** The target may hold what is no business of this restore. */
  get #partial(): boolean {
    return this.#prepared.selected !== undefined;
  }

  #report(): void {
    this.#deps.onProgress({ ...this.#progress });
  }

  async #load(collections: TargetCollections): Promise<void> {
    const { index, packs, facts, selected } = this.#prepared;
    const onLoaded = (documents: number, rawBytes: number) => {
      this.#progress.documents += documents;
      this.#progress.rawBytes += rawBytes;
      this.#report();
    };
    const onRepeated = (uuid: string, documents: number) => {
      this.#repeated.set(uuid, (this.#repeated.get(uuid) ?? 0) + documents);
    };
    const { users, parallel } = this.#input;
    await loadCollections(
      index,
      { users, parallel, selected: selected?.collections },
      {
        ...this.#finish,
        host: facts.host,
        collections,
        packs,
        onLoaded,
        onRepeated,
      },
    );
    await this.#mark('replaying');
  }

  async #replay(collections: TargetCollections): Promise<ReplayCounts> {
    const { part, facts, scan, slices, selected } = this.#prepared;
    const { restoreTime, users, parallel } = this.#input;
    const counts = await replayOplog(
      readSliceStream(slices),
      {
        restoreTime,
        point: part.point.ts,
        users,
        parallel,
        maxWireVersion: facts.maxWireVersion,
        scan,
        repeated: this.#repeated,
        selected: selected?.collections,
      },
      {
        ...this.#finish,
        collections,
        onReplayed: (entries) => {
          this.#progress.entries += entries;
          this.#report();
        },
      },
    );
    await limitCapped(this.#input, collections, this.#finish);
    if (selected) await makeViews(selected.views, collections);
    await this.#mark('building indexes');
    return counts;
  }

  #buildIndexes(): Promise<number> {
    const { replicaSet } = this.#prepared.facts;
    return buildIndexes({ parallel: this.#input.parallel, replicaSet }, this.#finish);
  }

  async #verify(collections: TargetCollections, touched: ReadonlySet<string>, expiryApplied: boolean): Promise<void> {
    const counts = new Map<string, number>();
    const { index, selected } = this.#prepared;
    for (const namespace of carriedCollections(index, this.#input.users, selected?.collections))
      if (!touched.has(namespace.uuid) && namespace.documents !== null && !namespace.capped)
        counts.set(namespace.uuid, namespace.documents);
    const { parallel } = this.#input;
    await verifyRestore({ parallel, expiryApplied, counts, partial: this.#partial }, collections, this.#finish);
  }

  async #mergeUsers(): Promise<{ users: number; roles: number }> {
    const { users, roles, warnings } = await mergeUsers(this.#deps.client, this.#input.usersOf);
    this.#warnings.push(...warnings);
    // They were dropped with the merge: nothing after it may expect them.
    for (const [uuid, ns] of [...this.#finish.map.entries()])
      if (ns.startsWith('admin.holdfast_')) this.#finish.map.drop(uuid);
    return { users, roles };
  }

  async #expire(collections: TargetCollections): Promise<void> {
    await applyExpiry(this.#input, this.#finish);
    // Documents may expire from now on: no counts.
    await verifyRestore(
      { parallel: this.#input.parallel, expiryApplied: true, counts: new Map(), partial: this.#partial },
      collections,
      this.#finish,
    );
  }

  #result(
    counts: ReplayCounts,
    indexes: number,
    usersAndRoles: RestoreResult['usersAndRoles'],
    uuidsKept: boolean,
  ): RestoreResult {
    const { part, restoreTime, keepExpired } = this.#input;
    const { entries, applied, skipped } = counts;
    return {
      schemaVersion: 1,
      part,
      target: this.#prepared.facts.name,
      restoreTime,
      collections: [...this.#finish.map.entries()].length,
      documents: this.#progress.documents,
      rawBytes: this.#progress.rawBytes,
      indexes,
      oplog: { entries, applied, skipped },
      usersAndRoles,
      uuidsKept,
      keepExpired,
      seconds: this.#seconds,
      warnings: this.#warnings,
    };
  }
}

/**
 * Restores one logical part to a running server, to exactly the restore time: everything that can be known beforehand
 * is proved first; then base, oplog, indexes, verification, users and roles, expiry. The target carries a mark from the
 * first write on; whoever wins the run's outcome takes it off (removeMark). Run again by the same run, it begins anew,
 * unless the mark says that everything was done: then it says what was.
 * @throws of the checks, with nothing written: UnknownBackup, InvalidInput, TargetUnreachable, TargetNotSuitable,
 *   MissingPrivileges, TargetIsSource, TargetNotEmpty, ObjectNotFound, CorruptObject, UnsupportedFormat,
 *   UnsupportedOplogEntry, OplogGap, VerificationFailed; later: RestoreRejected, RestoreVerificationFailed,
 *   CorruptObject, TargetUnreachable, and the signal's reason
 */
export async function restorePart(input: RestorePartInput, deps: RestorePartDeps): Promise<RestoreResult> {
  const from = performance.now();
  const loaded = await readLoaded(deps.client, input.runId);
  if (loaded?.part === input.part) return loaded;
  const prepared = await prepareRestore(input, deps);
  deps.signal.throwIfAborted();
  const restore = new Restore(input, deps, prepared, (performance.now() - from) / 1000);
  return restore.run();
}
