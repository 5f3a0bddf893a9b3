import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { PackWriter } from './pack-writer.ts';

/** What is under way when a base is given up may take so long to be stored: the worker must end within 25 s. */
const keepMilliseconds = 8_000;

/** Nobody goes on with a run that was cancelled, nor may a worker that was replaced write. */
export function isWorthKeeping(reason: unknown): boolean {
  return !isHoldfastError(reason, 'Cancelled', 'LeaseLost');
}

/**
 * Is aborted when the reading is; but a while later when what was read is to be stored still. Without it, whoever reads
 * would wait for a storage that takes nothing. To be aborted by the caller at the end.
 */
export function storingUntil(reading: AbortSignal, keeps: boolean, clock: Clock): AbortController {
  const storing = new AbortController();
  const end = (): void => {
    const reason: unknown = reading.reason;
    if (keeps && isWorthKeeping(reason)) abortLater(storing, reason, clock);
    else storing.abort(reason);
  };
  if (reading.aborted) end();
  else reading.addEventListener('abort', end, { once: true, signal: storing.signal });
  return storing;
}

function abortLater(storing: AbortController, reason: unknown, clock: Clock): void {
  clock.sleep(keepMilliseconds, storing.signal).then(
    () => {
      storing.abort(reason);
    },
    () => undefined,
  );
}

/** Stores the frames that are under way and writes them down, so that the next attempt does not read them again. */
export async function keepWhatIsRead(
  { budget, packs, checkpoint, storing }: KeptWork,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  abortLater(storing, new HoldfastError('WorkerLost', 'The storage took too long.'), clock);
  try {
    await budget.whenIdle();
    await packs.finish();
    await checkpoint.flush();
  } catch (error) {
    logger.warn('what was read last is not kept', { reason: String(error) });
  }
}

interface KeptWork {
  readonly budget: ByteBudget;
  readonly packs: PackWriter;
  readonly checkpoint: { readonly flush: () => Promise<void> };
  readonly storing: AbortController;
}
