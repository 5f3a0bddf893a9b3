/** The source's chunks until the signal aborts, also while the source keeps silent. @throws the signal's reason */
export async function* abortableSource<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncIterable<T> {
  if (!signal) {
    yield* source;
    return;
  }
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const step = await unlessAborted(iterator.next(), signal);
      ended = step.done === true;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    // Not awaited: a source that waits for its own next chunk would answer only after it.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** What `work` comes to, unless the signal aborts before: then it goes on unheard. @throws the signal's reason */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // One listener for each, removed again: racing one long-lived promise would keep every reaction in memory.
    void work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort);
    });
  });
}
