import { crc32 } from 'node:zlib';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import { type ArchiveProgress, isBaseDue, type OplogGap } from '../domain/oplog-archive.ts';
import type { DeploymentSettings, OplogArchiveSettings, Settings } from '../domain/settings.ts';
import { type OpTime, sameOpTime } from '../domain/timestamp.ts';
import type { Source } from '../engine/source/member-state.ts';
import { ArchiveLease } from './archive-lease.ts';
import { wishBase } from './archive-progress.ts';
import type { StepDeps } from './bind.ts';
import type { CatalogDeps } from './catalog.ts';
import type { EventPublisher } from './ports/event-publisher.ts';
import { type ArchivePlace, recordGap } from './record-gap.ts';
import { storageOf } from './run-folder.ts';

export interface ArchiveOplogDeps extends StepDeps, CatalogDeps {
  readonly settings: Settings;
  readonly events: EventPublisher;
  /** A direct connection to a member of the very set, for as long as `work` takes. */
  withMember<T>(member: MemberToRead, work: (source: Source) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface MemberToRead {
  readonly deployment: DeploymentSettings;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly host: string;
}

/** What a turn is asked for. */
interface TurnRequest {
  readonly runId: string;
  readonly deployment: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly members: readonly string[];
  readonly away?: readonly string[] | undefined;
  readonly seconds: number;
}

const sampleOf = 10;

/** What one turn of archiving a replica set works with. */
export class ArchiveTurn {
  readonly place: ArchivePlace;
  readonly progress: { readonly state: StepDeps['state']; readonly key: string; readonly logger: StepDeps['logger'] };
  readonly lease: ArchiveLease;
  /** How far the archive was when the turn began. */
  before: ArchiveProgress | undefined;
  /** The first entry after a gap that this turn found. */
  wantsBaseFrom: OpTime | undefined;

  readonly request: TurnRequest;
  readonly deployment: DeploymentSettings;
  readonly deps: ArchiveOplogDeps;
  readonly #settings: OplogArchiveSettings;
  readonly #end: number;

  constructor(
    request: TurnRequest,
    deployment: DeploymentSettings,
    settings: OplogArchiveSettings,
    deps: ArchiveOplogDeps,
  ) {
    const { deployment: name, replicaSet, replicaSetId, runId: run } = request;
    const { state, logger, clock } = deps;
    this.request = request;
    this.deployment = deployment;
    this.#settings = settings;
    this.deps = deps;
    this.#end = performance.now() + request.seconds * 1000;
    const store = deps.openStorage(storageOf(deps.settings, settings.storage));
    const archivePrefix = artifactKeys.archive(name, replicaSet, replicaSetId);
    this.place = { deployment: name, replicaSet, store, archivePrefix };
    this.progress = { state, key: stateKeys.archiveProgress(name, `${replicaSet}-${replicaSetId}`), logger };
    const key = stateKeys.archiveLease(name, replicaSet);
    this.lease = new ArchiveLease({ state, key, run, owner: 'archive-oplog', now: () => clock.now(), logger });
  }

  isOver(): boolean {
    return performance.now() > this.#end;
  }

  /** Records a gap, and before that the wish for a base: a turn that dies in between records it again, and wishes once. */
  async record(gap: Omit<OplogGap, 'schemaVersion' | 'foundAt'>): Promise<void> {
    this.wantsBaseFrom = gap.before;
    await wishBase(this.progress, gap.before);
    const foundAt = this.deps.clock.now().toISOString();
    await recordGap(this.place, { schemaVersion: 1, foundAt, ...gap }, this.deps);
  }

  /** Whether the turn before has looked as far, from the same slice on: then nothing happened since. */
  hasSeen(archivedTo: OpTime, majority: OpTime): boolean {
    const { before } = this;
    return before !== undefined && sameOpTime(before.last.to, archivedTo) && sameOpTime(before.checkedTo, majority);
  }

  /** As the turn before left it. */
  isBaseDue(): boolean {
    const wanted = this.before?.wantsBase;
    return this.startsBases && wanted !== undefined && isBaseDue(wanted, this.deps.clock.now());
  }

  /** Whether a gap starts a backup. */
  get startsBases(): boolean {
    return this.#settings.newBaseOnGap;
  }

  /** By the key, so that the choice is the same whoever writes. */
  rereads(key: string): boolean {
    return this.#settings.verify === 'all' || crc32(key) % sampleOf === 0;
  }
}
