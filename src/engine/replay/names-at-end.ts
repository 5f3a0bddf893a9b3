import { HoldfastError } from '../../domain/errors.ts';
import { type Timestamp } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import { readString } from '../bson/raw-values.ts';
import { CollectionMap } from './collection-map.ts';
import { type Operation, unsupported } from './operation.ts';

/** What there is at the restore time: what a restore of some collections chooses from. */
export interface EndState {
  /** Collections, by the source's UUID. */
  readonly names: ReadonlyMap<string, string>;
  /** Rows of system.views as they are then, by the view's name; those of time-series are among them. */
  readonly views: ReadonlyMap<string, Buffer>;
}

/** A collection of system.views in the base, and a row of it. */
export interface BaseView {
  readonly uuid: string;
  readonly row: Buffer;
}

type Step =
  | { readonly kind: 'create'; readonly uuid: string; readonly ns: string }
  | { readonly kind: 'rename'; readonly uuid: string; readonly to: string; readonly dropTarget: string | undefined }
  | { readonly kind: 'drop'; readonly uuid: string }
  | { readonly kind: 'row'; readonly uuid: string; readonly view: string; readonly row: Buffer | undefined };

function viewOf(row: Buffer): string {
  const id = findElement(row, '_id');
  if (!id) throw new HoldfastError('CorruptSource', 'A row of system.views has no _id.');
  return readString(row, id);
}

function stepOf(operation: Operation, ts: Timestamp): Step | undefined {
  switch (operation.kind) {
    case 'create':
    case 'drop':
    case 'rename':
      return operation;
    case 'insert':
    case 'update':
    case 'delete': {
      if (!operation.ns.endsWith('.system.views')) return undefined;
      const { uuid, ns, kind, o } = operation;
      // The server writes a view whole (6.0); a difference to a row would have to be applied to it.
      if (kind === 'update' && findElement(o, '$v'))
        throw unsupported({ op: 'u', ns, ui: uuid, o, o2: operation.o2 }, ts, 'it changes a part of a view');
      // Slices are large, and a view of one would keep it in memory.
      const row = Buffer.from(o);
      return {
        kind: 'row',
        uuid,
        view: viewOf(operation.kind === 'update' ? operation.o2 : row),
        row: kind === 'delete' ? undefined : row,
      };
    }
    default:
      return undefined;
  }
}

/**
 * Follows what collections and views are called, to the restore time, without a target. Whether a transaction counts is
 * known only when all of the oplog was read: so what is observed is kept, a line per definition, until then.
 */
export class NamesAtEnd {
  readonly #steps: { readonly step: Step; readonly transaction: string | undefined }[] = [];

  /** @param transaction that the operation is part of, when it is one of several entries */
  observe(operation: Operation, ts: Timestamp, transaction: string | undefined): void {
    const step = stepOf(operation, ts);
    if (step) this.#steps.push({ step, transaction });
  }

  /** @param base collections of the base: [source's UUID, ns] */
  resolve(
    base: Iterable<readonly [string, string]>,
    baseViews: Iterable<BaseView>,
    isApplied: (transaction: string) => boolean,
  ): EndState {
    const map = new CollectionMap();
    for (const [uuid, ns] of base) map.create(uuid, ns);
    const rows = new Map<string, Map<string, Buffer>>();
    const rowsOf = (uuid: string) => {
      const known = rows.get(uuid) ?? new Map<string, Buffer>();
      rows.set(uuid, known);
      return known;
    };
    for (const { uuid, row } of baseViews) rowsOf(uuid).set(viewOf(row), row);
    for (const { step, transaction } of this.#steps) {
      if (transaction !== undefined && !isApplied(transaction)) continue;
      if (step.kind === 'create') map.create(step.uuid, step.ns);
      else if (step.kind === 'rename') map.rename(step.uuid, step.to, step.dropTarget);
      else if (step.kind === 'drop') map.drop(step.uuid);
      else if (step.row) rowsOf(step.uuid).set(step.view, step.row);
      else rowsOf(step.uuid).delete(step.view);
    }
    map.checkSettled();
    const names = new Map(map.entries());
    const views = [...rows].filter(([uuid]) => names.has(uuid)).flatMap(([, some]) => [...some]);
    return { names, views: new Map(views) };
  }
}
