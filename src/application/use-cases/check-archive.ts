import { crc32 } from 'node:zlib';
import {
  type ArchiveCheck,
  type ArchiveLoss,
  ChainCheck,
  type DamagedSlice,
  isCheckDue,
} from '../../domain/archive-check.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys, stateKeys } from '../../domain/names.ts';
import {
  isOpenGap,
  type OplogGap,
  oplogGapSchema,
  parseArchiveKey,
  parseSliceKey,
  type SliceSpan,
} from '../../domain/oplog-archive.ts';
import { compareTimestamps, describeOpTime, type OpTime } from '../../domain/timestamp.ts';
import { readStoredSlice } from '../../engine/oplog/read-chain.ts';
import { readSlice } from '../../engine/oplog/read-slices.ts';
import { type CheckedPlace, changeCheck, readCheck } from '../archive-check-record.ts';
import { wishBase, wishSlices } from '../archive-progress.ts';
import type { StepDeps } from '../bind.ts';
import type { CatalogDeps } from '../catalog.ts';
import { readDocument } from '../documents.ts';
import type { EventPublisher } from '../ports/event-publisher.ts';
import type { CheckArchiveRequest, CheckedArchive } from '../ports/holdfast-client.ts';
import type { ListedObject, ObjectStore } from '../ports/object-store.ts';
import { recordGap } from '../record-gap.ts';
import { deploymentOf, storageOf } from '../run-folder.ts';

export interface CheckArchiveDeps extends StepDeps, CatalogDeps {
  readonly events: EventPublisher;
}

/** Slices that are read at once: up to 48 MiB of entries each. */
const atOnce = 4;
const sampleOf = 10;

/**
 * Looks whether a deployment's archive holds what its window promises: that every slice is there and leads on to the next,
 * by timestamp and term, and that its bytes are whole (of all slices, or of a sample that is another one each day:
 * `verify`). What is lost or damaged becomes a gap, with its event, and a base is wished after it.
 * @throws UnknownDeployment, UnsupportedFormat, the storages' errors
 */
export async function checkArchive(
  request: CheckArchiveRequest,
  deps: CheckArchiveDeps,
  signal?: AbortSignal,
): Promise<readonly CheckedArchive[]> {
  const { oplogArchive, name } = deploymentOf(deps.settings, request.deployment);
  if (oplogArchive?.enabled !== true) return [];
  const { storage, verify } = oplogArchive;
  const store = deps.openStorage(storageOf(deps.settings, storage));
  const end = performance.now() + request.seconds * 1000;
  const checked: CheckedArchive[] = [];
  for (const archive of await findArchives(name, store)) {
    const place = { deployment: name, replicaSet: archive.replicaSet, replicaSetId: archive.replicaSetId, storage };
    const round = new Round({ ...archive, place, store, verify }, deps, () => {
      signal?.throwIfAborted();
      return performance.now() > end;
    });
    checked.push(await round.turn(request.now));
  }
  return checked;
}

interface FoundArchive {
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly prefix: string;
  readonly slices: readonly ListedObject[];
  readonly gaps: readonly string[];
}

async function findArchives(deployment: string, store: ObjectStore): Promise<FoundArchive[]> {
  const found = new Map<string, FoundArchive & { readonly slices: ListedObject[]; readonly gaps: string[] }>();
  for await (const object of store.list(artifactKeys.archives(deployment))) {
    const parsed = parseArchiveKey(deployment, object.key);
    if (!parsed) continue;
    const archive = found.get(parsed.prefix) ?? { ...parsed, slices: [], gaps: [] };
    found.set(parsed.prefix, archive);
    if (parseSliceKey(parsed.prefix, object.key)) archive.slices.push(object);
    else if (object.key.startsWith(artifactKeys.gaps(parsed.prefix))) archive.gaps.push(object.key);
  }
  return [...found.values()];
}

interface RoundInput extends FoundArchive {
  readonly place: CheckedPlace;
  readonly store: ObjectStore;
  readonly verify: 'all' | 'sample';
}

type Looked = { readonly slice: SliceSpan } | { readonly damaged: DamagedSlice } | undefined;

/** One archive, for one turn. */
class Round {
  readonly #input: RoundInput;
  readonly #deps: CheckArchiveDeps;
  readonly #isOver: () => boolean;
  readonly #losses: ArchiveLoss[] = [];
  #looked = 0;
  #first: OpTime | undefined;

  constructor(input: RoundInput, deps: CheckArchiveDeps, isOver: () => boolean) {
    this.#input = input;
    this.#deps = deps;
    this.#isOver = isOver;
  }

  async turn(now: boolean): Promise<CheckedArchive> {
    const { place, store, slices } = this.#input;
    const { state, clock } = this.#deps;
    const record = await readCheck(state, place);
    if (!now && !isCheckDue(record, clock.now())) return this.#report('notDue');
    const gaps: OplogGap[] = [];
    for (const key of this.#input.gaps) gaps.push(await readDocument(store, key, oplogGapSchema));
    const open = gaps.filter(isOpenGap);
    const known = new Set(open.flatMap(({ damaged }) => damaged ?? []));
    const { round } = record ?? {};
    const left = slices.filter(({ key }) => !known.has(key) && (round === undefined || key > round.at));
    const chain = new ChainCheck(open, round?.end ?? record?.begins);
    const under = await this.#follow(chain, left);
    await changeCheck(state, place, ({ round: _over, ...current }) => ({
      ...current,
      ...this.#begun(round),
      ...(under ? { round: under } : { finishedAt: clock.now().toISOString() }),
    }));
    return this.#report(under ? 'more' : this.#losses.length > 0 ? 'lost' : 'whole');
  }

  /** @returns how far it came in the time; undefined: to the end */
  async #follow(chain: ChainCheck, left: readonly ListedObject[]): Promise<ArchiveCheck['round']> {
    for (let n = 0; n < left.length; n += atOnce) {
      const looked = await Promise.all(left.slice(n, n + atOnce).map((object) => this.#look(object)));
      for (const one of looked) {
        if (one && 'damaged' in one) chain.addDamaged(one.damaged);
        else if (one) await this.#take(chain, one.slice);
      }
      this.#looked += looked.length;
      const at = looked.at(-1);
      // Only after a slice that is whole: what was damaged before it is told by then.
      const isPlace = n + atOnce < left.length && at && 'slice' in at;
      if (isPlace && chain.end && this.#isOver()) return { at: at.slice.key, end: chain.end };
    }
    await this.#tell(chain.finish());
    return undefined;
  }

  async #take(chain: ChainCheck, slice: SliceSpan): Promise<void> {
    await this.#tell(chain.add(slice));
    this.#first ??= slice.from;
  }

  /** With which entry the archive begins; only who began the round has seen it. */
  #begun(round: ArchiveCheck['round']): { readonly begins?: OpTime } {
    return round === undefined && this.#first ? { begins: this.#first } : {};
  }

  /** @returns undefined for one that was deleted since it was listed */
  async #look(object: ListedObject): Promise<Looked> {
    const { store, prefix } = this.#input;
    const from = parseSliceKey(prefix, object.key) ?? { t: 0, i: 0 };
    try {
      const { header } = await readStoredSlice(store, object);
      const slice = { key: object.key, from: header.from, to: header.to };
      const isWhole = !this.#isRead(object.key) || (await this.#isWhole(object.key));
      return isWhole ? { slice } : { damaged: { key: object.key, from, to: header.to } };
    } catch (error) {
      if (isHoldfastError(error, 'ObjectNotFound')) return undefined;
      if (!isHoldfastError(error, 'CorruptObject')) throw error;
      return { damaged: { key: object.key, from } };
    }
  }

  #isRead(key: string): boolean {
    const day = Math.floor(this.#deps.clock.now().getTime() / 86_400_000);
    return this.#input.verify === 'all' || (crc32(key) + day) % sampleOf === 0;
  }

  /** Read twice before it is believed: a byte may go wrong on the way, too. */
  async #isWhole(key: string): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1)
      try {
        await readSlice(this.#input.store, key);
        return true;
      } catch (error) {
        if (!isHoldfastError(error, 'CorruptObject')) throw error;
        if (attempt === 2) return false;
      }
  }

  async #tell(loss: ArchiveLoss | undefined): Promise<void> {
    if (!loss) return;
    const { place, store, prefix } = this.#input;
    const { after, before, damaged } = loss;
    // What was pruned since the slices were listed is no loss.
    const { begins } = (await readCheck(this.#deps.state, place)) ?? {};
    if (begins && compareTimestamps(after.ts, begins.ts) < 0) return;
    this.#losses.push(loss);
    const key = stateKeys.archiveProgress(place.deployment, `${place.replicaSet}-${place.replicaSetId}`);
    await wishBase({ ...this.#deps, key }, before);
    const what = damaged.length > 0 ? `damaged: ${damaged.join(', ')}` : 'not in the storage any more';
    const explanation = `Slices from ${describeOpTime(after)} to ${describeOpTime(before)} were archived, and are ${what}.`;
    const foundAt = this.#deps.clock.now().toISOString();
    await recordGap(
      { ...place, store, archivePrefix: prefix },
      {
        ...{ schemaVersion: 1, reason: 'objectLost', after, before, foundAt, member: null, explanation },
        ...(damaged.length > 0 && { damaged: [...damaged] }),
      },
      this.#deps,
    );
    await wishSlices({ ...this.#deps, key }, after);
  }

  #report(status: CheckedArchive['status']): CheckedArchive {
    const { place } = this.#input;
    const losses = this.#losses.map(({ after, before, damaged }) => ({ after: after.ts, before: before.ts, damaged }));
    return { ...place, status, slices: this.#looked, losses };
  }
}
