import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateKeys } from '../../src/domain/names.ts';
import { countTransitions, type TransitionCount } from '../states-language/count-transitions.ts';
import { type HistoryEvent, parseJournal } from '../states-language/journal.ts';

export interface Transition {
  readonly state: string;
  readonly seconds: number;
  /** How often this state has been left before: the capture loop comes back to its own. */
  readonly earlier: number;
}

function nameIn(event: HistoryEvent, details: 'stateEnteredEventDetails' | 'stateExitedEventDetails'): string {
  const name = event[details]?.['name'];
  return typeof name === 'string' ? name : '';
}

async function readEvents(stateDir: string, runId: string): Promise<readonly HistoryEvent[]> {
  return parseJournal(await readFile(join(stateDir, stateKeys.journal(runId)), 'utf8').catch(() => ''));
}

/** What the run's machine has needed so far: the measure by which Step Functions is paid. */
export async function readTransitionCount(stateDir: string, runId: string): Promise<TransitionCount> {
  return countTransitions(await readEvents(stateDir, runId));
}

/** The tasks that a run has left, in order, from its journal as the state machine wrote it. */
export async function readTransitions(stateDir: string, runId: string): Promise<Transition[]> {
  const entered = new Map<string, number>();
  const left: Transition[] = [];
  for (const event of await readEvents(stateDir, runId)) {
    const at = Date.parse(event.timestamp);
    if (event.type === 'TaskStateEntered') entered.set(nameIn(event, 'stateEnteredEventDetails'), at);
    if (event.type !== 'TaskStateExited') continue;
    const state = nameIn(event, 'stateExitedEventDetails');
    const earlier = left.filter((transition) => transition.state === state).length;
    left.push({ state, earlier, seconds: (at - (entered.get(state) ?? at)) / 1000 });
  }
  return left;
}

/** A document of the run's folder; undefined while it is not there. */
export async function readRunDocument(stateDir: string, key: string): Promise<unknown> {
  const text = await readFile(join(stateDir, key), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}
