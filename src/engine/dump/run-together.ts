/**
 * Runs tasks side by side. The first that fails aborts the others; resolves or rejects only when all have ended, so
 * that nothing goes on behind the caller's back.
 * @throws the first task's error; the outer signal's reason when that one was aborted first
 */
export async function runTogether(
  outer: AbortSignal,
  tasks: readonly ((signal: AbortSignal, fail: (error: unknown) => void) => Promise<void>)[],
): Promise<void> {
  const controller = new AbortController();
  const signal = AbortSignal.any([outer, controller.signal]);
  const fail = (error: unknown): void => {
    controller.abort(error);
  };
  await Promise.all(tasks.map((task) => task(signal, fail).catch(fail)));
  signal.throwIfAborted();
}
