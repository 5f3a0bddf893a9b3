import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { archivePrefix } from './archive-world.ts';
import { dyingStore } from './dying-store.ts';

const immortal = { left: Infinity, pace: [0] };

/** A store whose next slice waits until it is released. */
export function stalled(store: ObjectStore): { store: ObjectStore; reached: Promise<unknown>; release: () => void } {
  const gate = Promise.withResolvers<undefined>();
  const reached = Promise.withResolvers<undefined>();
  const inner = dyingStore(store, immortal);
  return {
    reached: reached.promise,
    release: () => {
      gate.resolve(undefined);
    },
    store: {
      ...inner,
      put: async (...args) => {
        reached.resolve(undefined);
        await gate.promise;
        return store.put(...args);
      },
    },
  };
}

/** As of a process that is gone before it gives back its lease. */
export function unreleasable(state: ObjectStore): ObjectStore {
  const inner = dyingStore(state, immortal);
  return {
    ...inner,
    put: (key, body, condition) =>
      Buffer.from(body).includes('"released": true')
        ? Promise.reject(new Error('gone'))
        : inner.put(key, body, condition),
  };
}

/** A store in which so many slices have one bit flipped once they are written. */
export function damaging(store: ObjectStore, times: number): ObjectStore {
  let left = times;
  return {
    ...dyingStore(store, immortal),
    put: async (key, body, condition) => {
      const written = await store.put(key, body, condition);
      if (!key.startsWith(archivePrefix) || left-- <= 0) return written;
      const flipped = Buffer.from(body);
      flipped[flipped.length - 20] = (flipped.at(-20) ?? 0) ^ 1;
      await store.put(key, flipped);
      return written;
    },
  };
}
