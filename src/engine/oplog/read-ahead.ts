/**
 * Hands out what a generator yields, and has it make the next one meanwhile: one ahead, never more. What it throws comes
 * in its turn.
 */
export async function* readAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  const begin = (): Promise<IteratorResult<T>> => {
    const next = source.next();
    // Whoever gave up early does not ask for it any more.
    next.catch(() => undefined);
    return next;
  };
  let next = begin();
  try {
    for (let result = await next; result.done !== true; result = await next) {
      next = begin();
      yield result.value;
    }
  } finally {
    // Ends it once what it is doing is done, so that nothing goes on behind the caller's back.
    await source.return(undefined);
  }
}
