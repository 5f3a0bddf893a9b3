/**
 * What `work` makes of each item, in the order of the items, with some under way at once: for many small requests to a
 * storage, each of which takes long. Nothing is under way any more when it ends.
 * @param ahead items under way at once
 * @throws what the items and the work throw, each in its turn
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Its failure is thrown in its turn, and not missed before.
      result.catch(() => undefined);
      underWay.push(result);
      if (underWay.length >= ahead) yield await (underWay.shift() as Promise<R>);
    }
    for (let next = underWay.shift(); next; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}
