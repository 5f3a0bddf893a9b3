import { SiblingFailed } from '../failures.ts';
import { linkAbort } from '../waiting.ts';

/**
 * Runs `count` pieces of work, `limit` at a time, in order. The first that fails aborts the others' signal; nothing more is
 * started, all that run are waited for, and its error is thrown.
 * @throws the parent's reason when that was aborted
 */
export async function runSiblings<T>(
  count: number,
  limit: number,
  parent: AbortSignal,
  run: (index: number, signal: AbortSignal) => Promise<T>,
): Promise<T[]> {
  const link = linkAbort(parent);
  const results: T[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count && !link.signal.aborted) {
      const index = next;
      next += 1;
      try {
        results[index] = await run(index, link.signal);
      } catch (error) {
        failures.push(error);
        link.abort(new SiblingFailed('A sibling failed.'));
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, count) }, worker));
    parent.throwIfAborted();
    if (failures.length > 0) throw failures[0];
    return results;
  } finally {
    link.unlink();
  }
}
