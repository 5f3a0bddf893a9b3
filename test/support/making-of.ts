import type { ObjectStore } from '../../src/application/ports/object-store.ts';

/** A storage that keeps in mind what it is asked for, so that the same can be asked for again and left unread. */
export function makingOf(store: ObjectStore): { readonly store: ObjectStore; readonly again: () => Promise<void> } {
  const asked: (() => Promise<unknown>)[] = [];
  const kept =
    <A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> => {
      asked.push(() => ask(...args));
      return ask(...args);
    };
  const listAll = async (...args: Parameters<ObjectStore['list']>): Promise<void> => {
    const listing = store.list(...args)[Symbol.asyncIterator]();
    while ((await listing.next()).done !== true);
  };
  return {
    store: {
      ...store,
      get: kept((...args) => store.get(...args)),
      getRange: kept((...args) => store.getRange(...args)),
      head: kept((...args) => store.head(...args)),
      list: (...args) => {
        asked.push(() => listAll(...args));
        return store.list(...args);
      },
    },
    again: async () => {
      for (const ask of asked) await ask();
    },
  };
}
