/**
 * Runs `work` for every item, at most `parallel` at a time, started in order. The first failure is thrown once what was
 * already running has ended, so that nothing goes on behind the caller's back; no further item is started.
 */
export async function runParallel<T>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async () => {
    for (let next = queue.next(); !next.done && failures.length === 0; next = queue.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, parallel) }, lane));
  if (failures.length > 0) throw failures[0];
}

/** What {@link runParallel} does, with what `work` made of each item, in their order. */
export async function mapParallel<T, R>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const made: R[] = [];
  await runParallel([...items].entries(), parallel, async ([place, item]) => {
    made[place] = await work(item);
  });
  return made;
}
