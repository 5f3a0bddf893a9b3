import { setMaxListeners } from 'node:events';

import type { Clock } from '../../src/application/ports/clock.ts';

/** Node's timers overflow above 2^31 − 1 ms and would fire at once. */
const longestTimer = 2 ** 31 - 1;

/** Waits until the clock shows `deadline` (ms since 1970), however far that is. Rejects with the signal's reason. */
export async function sleepUntil(clock: Clock, deadline: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const rest = deadline - clock.now().getTime();
    if (rest <= 0) return;
    await clock.sleep(Math.min(rest, longestTimer), signal);
  }
}

export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: Error): void;
  /** Lets go of the parent. */
  unlink(): void;
}

/** A signal that is aborted with its parent, with the parent's reason, or on its own. */
export function linkAbort(parent: AbortSignal): LinkedAbort {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const follow = () => {
    controller.abort(parent.reason);
  };
  if (parent.aborted) follow();
  else parent.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    unlink: () => {
      parent.removeEventListener('abort', follow);
    },
  };
}

/** Rejects with the signal's reason when it is aborted; never resolves. `unlink` of the signal's owner ends it. */
export function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const refuse = () => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is what its owner set: an Error
      reject(signal.reason);
    };
    if (signal.aborted) refuse();
    else signal.addEventListener('abort', refuse, { once: true });
  });
}

/** Waits for work that was told to stop, but not for ever: work that ignores its signal is left behind after `milliseconds`. */
export async function settledWithin(clock: Clock, milliseconds: number, work: Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  const over = work.then(
    () => undefined,
    () => undefined,
  );
  try {
    await Promise.race([over, clock.sleep(milliseconds, stop.signal)]);
  } finally {
    stop.abort(new DOMException('settled', 'AbortError'));
  }
}
