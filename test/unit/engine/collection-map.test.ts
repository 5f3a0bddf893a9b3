import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CollectionMap, type NamespaceStep } from '../../../src/engine/replay/collection-map.ts';

/** What a server does with the steps, and refuses as a server does. */
class FakeTarget {
  readonly names = new Map<string, string>();

  run(steps: readonly NamespaceStep[]): void {
    for (const step of steps) {
      if (step.kind === 'create') {
        if (this.names.has(step.ns)) throw new Error(`${step.ns} exists`);
        this.names.set(step.ns, step.uuid);
      } else if (step.kind === 'drop') {
        if (this.names.get(step.ns) !== step.uuid) throw new Error(`drop of ${step.ns} hits another one`);
        this.names.delete(step.ns);
      } else {
        if (this.names.get(step.from) !== step.uuid) throw new Error(`${step.from} is another one`);
        if (this.names.has(step.to)) throw new Error(`${step.to} exists`);
        this.names.delete(step.from);
        this.names.set(step.to, step.uuid);
      }
    }
  }
}

type Event =
  | { kind: 'create'; uuid: string; ns: string }
  | { kind: 'drop'; uuid: string }
  | { kind: 'rename'; uuid: string; to: string; dropTarget?: string };

const nameOf = (n: number) => `db.${'abcd'[n]}`;
const uuidOf = (n: number) => String(n).padStart(32, '0');

/**
 * A random history of a source with four names, and the state after each event. Each choice is two numbers: what
 * happens, and to which name.
 */
function makeHistory(choices: readonly (readonly [number, number, number])[]) {
  const live = new Map<string, string>();
  const states: ReadonlyMap<string, string>[] = [new Map()];
  const events: Event[] = [];
  let made = 0;
  for (const [what, from, other] of choices) {
    const ns = nameOf(from);
    const uuid = live.get(ns);
    if (uuid === undefined) {
      const created = uuidOf(made++);
      live.set(ns, created);
      events.push({ kind: 'create', uuid: created, ns });
    } else if (what === 0) {
      live.delete(ns);
      events.push({ kind: 'drop', uuid });
    } else if (from !== other) {
      const dropTarget = live.get(nameOf(other));
      live.delete(ns);
      live.set(nameOf(other), uuid);
      events.push({ kind: 'rename', uuid, to: nameOf(other), ...(dropTarget === undefined ? {} : { dropTarget }) });
    } else continue;
    states.push(new Map(live));
  }
  return { events, states };
}

function replay(map: CollectionMap, target: FakeTarget, event: Event): void {
  if (event.kind === 'create') target.run(map.create(event.uuid, event.ns));
  else if (event.kind === 'drop') target.run(map.drop(event.uuid));
  else target.run(map.rename(event.uuid, event.to, event.dropTarget));
}

const choices = fc.array(fc.tuple(fc.nat(2), fc.nat(3), fc.nat(3)), { maxLength: 40 });

describe('names of collections in the target', () => {
  it('end as the source’s, whenever each collection was read', () => {
    fc.assert(
      fc.property(choices, fc.nat(), fc.array(fc.nat(), { minLength: 1 }), (made, startAt, readAt) => {
        const { events, states } = makeHistory(made);
        const start = startAt % states.length;
        const map = new CollectionMap();
        const target = new FakeTarget();
        // A fuzzy base: each collection under the name of some moment after the start, if it existed then. Two that
        // would have the same name cannot both be in one index.
        const everyUuid = [...new Set(states.slice(start).flatMap((state) => [...state.values()]))];
        for (const [n, uuid] of everyUuid.entries()) {
          const moment = start + ((readAt[n % readAt.length] ?? 0) % (states.length - start));
          const found = [...(states[moment] ?? [])].find(([, id]) => id === uuid);
          if (!found || target.names.has(found[0])) {
            // Not read: legitimate only for what is created or dropped later.
            const accounted = events.slice(start).some((event) => event.kind === 'create' && event.uuid === uuid);
            const dropped = ![...(states.at(-1)?.values() ?? [])].includes(uuid);
            fc.pre(accounted || dropped);
            continue;
          }
          target.run(map.create(uuid, found[0]));
        }
        for (const event of events.slice(start)) replay(map, target, event);
        map.checkSettled();
        expect(Object.fromEntries(target.names)).toEqual(Object.fromEntries(states.at(-1) ?? []));
        for (const [uuid, ns] of map.entries()) expect(target.names.get(ns)).toBe(uuid);
      }),
      { numRuns: 2000 },
    );
  });

  it('are left alone by a rename that is in effect already', () => {
    const map = new CollectionMap();
    map.create('u1', 'db.new');
    expect(map.rename('u1', 'db.new')).toEqual([]);
  });

  it('move a collection out of the way whose own rename is still to come', () => {
    const map = new CollectionMap();
    map.create('u1', 'db.a');
    map.create('u2', 'db.b');
    expect(map.rename('u2', 'db.a')).toEqual([
      { kind: 'rename', uuid: 'u1', from: 'db.a', to: 'db.holdfast_waiting_u1' },
      { kind: 'rename', uuid: 'u2', from: 'db.b', to: 'db.a' },
    ]);
    expect(() => {
      map.checkSettled();
    }).toThrow(/never moved into place/);
    map.rename('u1', 'db.c');
    map.checkSettled();
  });

  it('keep the prefix of a time-series bucket collection that waits', () => {
    const map = new CollectionMap();
    map.create('u1', 'db.system.buckets.w');
    expect(map.create('u2', 'db.system.buckets.w')[0]).toMatchObject({ to: 'db.system.buckets.holdfast_waiting_u1' });
  });

  it('follow the dropped target of a rename to where it waits', () => {
    const map = new CollectionMap();
    map.create('u1', 'db.a');
    map.create('u2', 'db.elsewhere');
    expect(map.rename('u1', 'db.b', 'u2')).toEqual([
      { kind: 'drop', uuid: 'u2', ns: 'db.elsewhere' },
      { kind: 'rename', uuid: 'u1', from: 'db.a', to: 'db.b' },
    ]);
  });
});
