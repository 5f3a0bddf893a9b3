import { HoldfastError } from './errors.ts';
import type { Outcome } from './run.ts';

/** Consistency rule 23: who may decide how a run ended, and what the winner may do. The store decides who is first. */

type Decider = Outcome['decidedBy'];
type Status = Outcome['status'];

const allowed: Readonly<Record<Decider, readonly Status[]>> = {
  complete: ['completed'],
  failure: ['failed', 'cancelled'],
  // It acts for runs that nobody else can end; a run that won `completed` and died is finished, not decided, by it.
  sweep: ['failed', 'cancelled'],
};

export function mayDecide(decider: Decider, status: Status): boolean {
  return allowed[decider].includes(status);
}

/** @throws Internal when a decider claims what is not its to claim, or an outcome without the error it needs. */
export function makeOutcome(decidedBy: Decider, status: Status, at: Date, error: Outcome['error'] = null): Outcome {
  if (!mayDecide(decidedBy, status)) throw new HoldfastError('Internal', `${decidedBy} may not decide ${status}.`);
  if ((status === 'completed') !== (error === null)) {
    throw new HoldfastError('Internal', `An outcome ${status} ${error === null ? 'needs an' : 'has no'} error.`);
  }
  return { schemaVersion: 1, status, decidedBy, at: at.toISOString(), error };
}

/** Only the winner of `completed` writes the manifest, or the sweep in its place when the winner died. */
export function mayWriteManifest(outcome: Outcome | undefined): boolean {
  return outcome?.status === 'completed';
}

/** A target keeps its mark until its run can no longer fail or be cancelled: what carries none is whole, and said to be. */
export function mayUnmarkTarget(outcome: Outcome | undefined): boolean {
  return outcome?.status === 'completed';
}

/** Deletion starts only after the run was decided to have failed or been cancelled. */
export function mayDelete(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && outcome.status !== 'completed';
}
