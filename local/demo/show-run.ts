import type { HoldfastClient, RunStatus } from '../../src/application/ports/holdfast-client.ts';
import { HoldfastError, isErrorName } from '../../src/domain/errors.ts';
import type { Progress } from '../../src/domain/run.ts';
import type { Screen } from './screen.ts';
import { readTransitions } from './state-transitions.ts';
import { formatBytes, formatCount } from './units.ts';

export interface ShowRunOptions {
  readonly client: HoldfastClient;
  readonly stateDir: string;
  readonly runId: string;
  /** Says more of a state that has been left; `phases` is the last progress of each phase so far. */
  readonly details: (state: string, phases: readonly Progress[]) => Promise<void>;
}

/** `dump 12,345 documents, 12 MiB, 3 MiB stored, 8 MiB/s` */
export function describeProgress(progress: Progress): string {
  const { phase, documents, rawBytes, storedBytes, totalBytes, bytesPerSecond } = progress;
  const of = totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`;
  const stored = storedBytes === 0 ? '' : `, ${formatBytes(storedBytes)} stored`;
  return `${phase}: ${formatCount(documents)} documents, ${formatBytes(rawBytes)}${of}${stored}, ${formatBytes(bytesPerSecond)}/s`;
}

function throwUnlessSucceeded({ runId, status, error }: RunStatus): void {
  if (status === 'succeeded') return;
  const name = error !== null && isErrorName(error.name) ? error.name : 'WorkerFailed';
  const next = error === null ? {} : { next: error.next };
  throw new HoldfastError(name, error?.message ?? `The run ${runId} ended as ${status}.`, next);
}

/**
 * Shows a run until it ends: each state of the state machine as it is left, and progress on a line of its own.
 * @throws what the run failed with.
 */
export async function showRun(screen: Screen, options: ShowRunOptions): Promise<RunStatus> {
  const { client, stateDir, runId, details } = options;
  const phases = new Map<string, Progress>();
  let shown = 0;
  let showing: Promise<unknown> = Promise.resolve();
  const show = async (status: RunStatus) => {
    for (const progress of status.progress) phases.set(progress.phase, progress);
    for (const transition of (await readTransitions(stateDir, runId)).slice(shown)) {
      shown += 1;
      // The capture loop runs its state again and again: once is enough to see it.
      if (transition.earlier > 0) continue;
      screen.done(transition.state, '', transition.seconds);
      await details(transition.state, [...phases.values()]);
    }
    const progress = status.progress.map(describeProgress).join('; ');
    if (status.endedAt === null)
      screen.now([status.state ?? 'starting', progress].filter((text) => text !== '').join(' — '));
  };
  const status = await client.waitForRun(runId, (change) => {
    showing = showing.then(() => show(change));
    showing.catch(() => undefined);
  });
  await showing;
  await show(status);
  throwUnlessSucceeded(status);
  return status;
}
