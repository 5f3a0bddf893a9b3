import type { HistoryEvent } from './journal.ts';

export interface TransitionCount {
  /** What a Standard workflow is billed by: states that were entered, and tries of a task beyond its first. */
  readonly total: number;
  /** Those of states that the run had been in before: the rounds of a loop that waits. */
  readonly waiting: number;
}

/** Of an execution's events, or of its part so far. Parts of a Map that share their states count as waiting after the first. */
export function countTransitions(events: readonly HistoryEvent[]): TransitionCount {
  const entered = events.filter(({ type }) => type.endsWith('StateEntered'));
  const known = new Set(entered.map((event) => event['stateEnteredEventDetails']?.['name']));
  const scheduled = events.filter(({ type }) => type === 'TaskScheduled').length;
  const tasks = entered.filter(({ type }) => type === 'TaskStateEntered').length;
  return { total: entered.length + Math.max(0, scheduled - tasks), waiting: entered.length - known.size };
}
