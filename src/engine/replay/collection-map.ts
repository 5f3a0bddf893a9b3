import { HoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';

/** One change of the target's namespaces; `uuid` is the source's. */
export type NamespaceStep =
  | { readonly kind: 'create'; readonly uuid: string; readonly ns: string }
  | { readonly kind: 'rename'; readonly uuid: string; readonly from: string; readonly to: string }
  | { readonly kind: 'drop'; readonly uuid: string; readonly ns: string };

/** Where a collection waits whose name another one has until its own create or rename is replayed. */
function waitingName(ns: string, uuid: string): string {
  const { db, coll } = splitNamespace(ns);
  // A bucket collection must keep its prefix: the server takes it for no time-series otherwise.
  return `${db}.${coll.startsWith('system.buckets.') ? 'system.buckets.' : ''}holdfast_waiting_${uuid}`;
}

/**
 * Which collection of the source is called what in the target, now (consistency rule 13). Every method changes the map
 * and returns the steps that bring the target there, in order. Collections are identified by the source's UUID; names
 * only say where they are. A collection that a fuzzy base holds under a later name is moved back to the name that the
 * replayed entry gives it, so that the target goes through the source's history and ends where it does.
 */
export class CollectionMap {
  readonly #names = new Map<string, string>();
  readonly #uuids = new Map<string, string>();

  /** The current name, or undefined for a collection that is not in the target. */
  nameOf(uuid: string): string | undefined {
    return this.#names.get(uuid);
  }

  /** What is there now: [source's UUID, name]. */
  entries(): IterableIterator<[string, string]> {
    return this.#names.entries();
  }

  /** A collection of the base, or an entry's `create`. */
  create(uuid: string, ns: string): NamespaceStep[] {
    if (this.#names.has(uuid)) return this.#move(uuid, ns);
    const steps = this.#makeRoom(ns, uuid);
    this.#set(uuid, ns);
    return [...steps, { kind: 'create', uuid, ns }];
  }

  /** `dropTarget` is the UUID of the collection that the rename replaced. A rename already in effect needs no step. */
  rename(uuid: string, to: string, dropTarget?: string): NamespaceStep[] {
    const dropped = dropTarget === undefined || dropTarget === uuid ? [] : this.drop(dropTarget);
    return this.#names.has(uuid) ? [...dropped, ...this.#move(uuid, to)] : dropped;
  }

  drop(uuid: string): NamespaceStep[] {
    const ns = this.#names.get(uuid);
    if (ns === undefined) return [];
    this.#names.delete(uuid);
    this.#uuids.delete(ns);
    return [{ kind: 'drop', uuid, ns }];
  }

  /** At the restore time nothing may still wait for its name. @throws RestoreVerificationFailed */
  checkSettled(): void {
    for (const [uuid, ns] of this.#names)
      if (ns === waitingName(ns, uuid))
        throw new HoldfastError(
          'RestoreVerificationFailed',
          `The collection with UUID ${uuid} has no name at the restore time: ${ns} was never moved into place.`,
        );
  }

  #set(uuid: string, ns: string): void {
    this.#names.set(uuid, ns);
    this.#uuids.set(ns, uuid);
  }

  #move(uuid: string, to: string): NamespaceStep[] {
    const from = this.#names.get(uuid);
    if (from === undefined || from === to) return [];
    const steps = this.#makeRoom(to, uuid);
    this.#uuids.delete(from);
    this.#set(uuid, to);
    return [...steps, { kind: 'rename', uuid, from, to }];
  }

  #makeRoom(ns: string, forUuid: string): NamespaceStep[] {
    const occupant = this.#uuids.get(ns);
    if (occupant === undefined || occupant === forUuid) return [];
    const to = waitingName(ns, occupant);
    this.#uuids.delete(ns);
    this.#set(occupant, to);
    return [{ kind: 'rename', uuid: occupant, from: ns, to }];
  }
}

/**
 * Of a restore of some collections: each has the name from the beginning that it gets at the end, and no other one of
 * the source is ever in the target, where others may be. So nothing is renamed, and nothing has to make room.
 */
export class FinalNames extends CollectionMap {
  readonly #finals: ReadonlyMap<string, string>;

  /** @param finals the target's names by the source's UUID */
  constructor(finals: ReadonlyMap<string, string>) {
    super();
    this.#finals = finals;
  }

  override create(uuid: string): NamespaceStep[] {
    const ns = this.#finals.get(uuid);
    return ns === undefined ? [] : super.create(uuid, ns);
  }

  override rename(): NamespaceStep[] {
    return [];
  }

  /** @throws RestoreVerificationFailed */
  override checkSettled(): void {
    for (const [uuid, ns] of this.#finals)
      if (this.nameOf(uuid) === undefined)
        throw new HoldfastError('RestoreVerificationFailed', `${ns} was neither in the base nor created by the oplog.`);
  }
}
