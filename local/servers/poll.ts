import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../src/domain/errors.ts';

/**
 * Asks until the answer is not undefined; an attempt that throws counts as no answer, and its error explains the end.
 * @throws HoldfastError MongodUnavailable after `limitMs`, saying what was waited for.
 */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, limitMs = 90_000): Promise<T> {
  let last: unknown;
  for (const deadline = Date.now() + limitMs; Date.now() < deadline;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(25);
  }
  const reason = last instanceof Error ? ` (${last.message})` : '';
  throw new HoldfastError('MongodUnavailable', `Waited ${limitMs / 1000} s in vain until ${what}${reason}.`, {
    cause: last,
  });
}
