import { setImmediate as turn } from 'node:timers/promises';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';

/** What one process may still do before it dies, and how it is scheduled among others. */
export interface Lifetime {
  /** Calls of its stores. */
  left: number;
  /** Turns of the event loop before each call, over and over. */
  readonly pace: readonly number[];
}

export class ProcessDied extends Error {}

/** A store as a process sees that dies after some calls: the call at which it dies is not done, and none after it. */
export function dyingStore(store: ObjectStore, life: Lifetime): ObjectStore {
  let calls = 0;
  const live = async <T>(work: () => Promise<T>): Promise<T> => {
    const turns = life.pace[calls++ % life.pace.length] ?? 0;
    for (let index = 0; index < turns; index += 1) await turn();
    if (life.left <= 0) throw new ProcessDied('the process died');
    life.left -= 1;
    return work();
  };
  return {
    description: store.description,
    put: (...args) => live(() => store.put(...args)),
    putStream: (...args) => live(() => store.putStream(...args)),
    get: (...args) => live(() => store.get(...args)),
    getRange: (...args) => live(() => store.getRange(...args)),
    head: (...args) => live(() => store.head(...args)),
    age: (...args) => live(() => store.age(...args)),
    checksum: (...args) => live(() => store.checksum(...args)),
    delete: (...args) => live(() => store.delete(...args)),
    discardUnfinished: (...args) => live(() => store.discardUnfinished(...args)),
    requireSuitable: (...args) => live(() => store.requireSuitable(...args)),
    async *list(prefix) {
      await live(() => Promise.resolve());
      yield* store.list(prefix);
    },
  };
}
