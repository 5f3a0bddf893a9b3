import { findElement } from '../bson/raw-document.ts';
import { readString } from '../bson/raw-values.ts';
import { splitNamespace } from '../../domain/names.ts';
import { compareTimestamps, type Timestamp } from '../../domain/timestamp.ts';
import { type Operation, operationsOf } from '../replay/operation.ts';
import { readOplogEntry } from './oplog-entry.ts';
import { readSlice, type SliceInStore } from './read-slices.ts';

/** What an entry does to a name. */
interface NameEvent {
  readonly kind: 'made' | 'dropped';
  readonly ts: Timestamp;
  /** The entry before it. */
  readonly before: Timestamp | undefined;
}

/** Names of a collection, a view or a time-series: the last is a view and a collection of buckets. */
interface Names {
  readonly ns: string;
  readonly buckets: string;
  readonly views: string;
}

function namesOf(ns: string): Names {
  const { db, coll } = splitNamespace(ns);
  return { ns, buckets: `${db}.system.buckets.${coll}`, views: `${db}.system.views` };
}

/** Whether an operation on system.views is about the view of that name. */
function isRow({ ns, views }: Names, operation: Operation): boolean {
  if (operation.ns !== views || (operation.kind !== 'insert' && operation.kind !== 'delete')) return false;
  const id = findElement(operation.o, '_id');
  return id !== undefined && readString(operation.o, id) === ns;
}

/** In order: a rename over a collection drops it, and its name goes on. */
function eventsOfOperation(names: Names, operation: Operation): NameEvent['kind'][] {
  const isNamed = (ns: string) => ns === names.ns || ns === names.buckets;
  if (isRow(names, operation)) return [operation.kind === 'insert' ? 'made' : 'dropped'];
  if (operation.kind === 'create' && isNamed(operation.ns)) return ['made'];
  if (operation.kind === 'drop' && isNamed(operation.ns)) return ['dropped'];
  if (operation.kind !== 'rename' || !isNamed(operation.to)) return [];
  return operation.dropTarget === undefined ? ['made'] : ['dropped', 'made'];
}

async function eventsOf({ store, slice }: SliceInStore, names: Names): Promise<NameEvent[]> {
  const events: NameEvent[] = [];
  let before: Timestamp | undefined;
  for (const raw of (await readSlice(store, slice.key, slice)).entries) {
    const entry = readOplogEntry(raw);
    const { ts } = entry.opTime;
    // Definitions that a transaction makes are creations only.
    if (entry.op === 'c' || entry.ns === names.views)
      for (const operation of operationsOf(entry))
        for (const kind of eventsOfOperation(names, operation)) events.push({ kind, ts, before });
    before = ts;
  }
  return events;
}

/**
 * The last entry before a collection, view or time-series was dropped: by a drop, by the drop of its database (which the
 * server writes as a drop of each collection), or by another one that was renamed over it (`$out` does that too).
 * A time-series is dropped in two entries; the first counts.
 * @param slices in any order; they may overlap
 * @param until drops after it do not count
 * @returns undefined when no slice has a drop of it
 * @throws what the slices throw
 */
export async function findBeforeDrop(
  slices: readonly SliceInStore[],
  ns: string,
  until: Timestamp | undefined,
): Promise<{ readonly drop: Timestamp; readonly before: Timestamp | undefined } | undefined> {
  const names = namesOf(ns);
  const newestFirst = slices.toSorted((a, b) => compareTimestamps(b.slice.to.ts, a.slice.to.ts));
  const events = new Map<string, NameEvent>();
  const counts = ({ ts }: NameEvent) => until === undefined || compareTimestamps(ts, until) <= 0;
  let found: NameEvent | undefined;
  let furthest = false;
  for (const one of newestFirst) {
    // Nothing in what is left is as late as what was found. One slice further, for a drop in two entries.
    if (found && furthest && compareTimestamps(one.slice.to.ts, found.before ?? found.ts) < 0) break;
    if (until !== undefined && compareTimestamps(one.slice.from.ts, until) > 0) continue;
    furthest = found !== undefined;
    for (const event of (await eventsOf(one, names)).filter(counts)) {
      const key = `${event.ts.t}:${event.ts.i} ${event.kind}`;
      // A slice's first entry is known as the last of another one, which knows what comes before it.
      if (event.before || !events.has(key)) events.set(key, event);
    }
    found = firstOfLastDrop([...events.values()]);
  }
  return found && { drop: found.ts, before: found.before };
}

/** Drops with no creation in between are one. */
function firstOfLastDrop(events: readonly NameEvent[]): NameEvent | undefined {
  // Of one entry the drop comes before the creation.
  const newestFirst = events.toSorted(
    (a, b) => compareTimestamps(b.ts, a.ts) || Number(a.kind === 'dropped') - Number(b.kind === 'dropped'),
  );
  const last = newestFirst.findIndex(({ kind }) => kind === 'dropped');
  if (last < 0) return undefined;
  const since = newestFirst.slice(last);
  const made = since.findIndex(({ kind }) => kind === 'made');
  return since[(made < 0 ? since.length : made) - 1];
}
