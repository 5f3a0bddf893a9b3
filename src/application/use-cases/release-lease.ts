import type { z } from 'zod';
import { isHoldfastError } from '../../domain/errors.ts';
import { releasedLease } from '../../domain/lease.ts';
import { stateKeys } from '../../domain/names.ts';
import { planSchema } from '../../domain/run-documents.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { findDocument, writeDocument } from '../documents.ts';
import { leaseKey, readLease } from '../leases.ts';
import type { ObjectStore } from '../ports/object-store.ts';

export const releaseLeaseInput = stepSchema;

/** Releases what the run holds. A run that never got a lease, or lost it, releases nothing. */
export async function releaseLease(
  input: z.output<typeof releaseLeaseInput>,
  deps: StepDeps,
): Promise<{ readonly released: boolean }> {
  const plan = await findDocument(deps.state, stateKeys.plan(input.runId), planSchema);
  if (plan === undefined) return { released: false };
  return { released: await releaseLeaseOf(deps.state, leaseKey(plan), input.runId) };
}

/** Overwrites the lease as released, if it is still the run's. @returns whether it was. */
export async function releaseLeaseOf(state: ObjectStore, key: string, runId: string): Promise<boolean> {
  const stored = await readLease(state, key);
  if (stored === undefined || stored.lease.run !== runId || stored.lease.released === true) return false;
  try {
    await writeDocument(state, key, releasedLease(stored.lease), { ifMatch: stored.etag });
    return true;
  } catch (error) {
    // Somebody took the lease over in between: then it is no longer this run's to release.
    if (isHoldfastError(error, 'PreconditionFailed')) return false;
    throw error;
  }
}
