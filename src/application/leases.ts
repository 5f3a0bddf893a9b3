import { HoldfastError } from '../domain/errors.ts';
import { requireLease, type StoredLease } from '../domain/lease.ts';
import { stateKeys } from '../domain/names.ts';
import { type Lease, leaseSchema } from '../domain/run.ts';
import { type Plan, planSchema } from '../domain/run-documents.ts';
import { findStored, readDocument } from './documents.ts';
import type { ObjectStore } from './ports/object-store.ts';

export function readPlan(state: ObjectStore, runId: string): Promise<Plan> {
  return readDocument(state, stateKeys.plan(runId), planSchema);
}

/** What the run must hold alone: the deployment that it reads, or the target that it writes. */
export function leaseKey(plan: Plan): string {
  return plan.kind === 'backup' ? stateKeys.lease(plan.deployment) : stateKeys.targetLease(plan.target);
}

/** @returns undefined when nobody ever had it. @throws CorruptObject */
export async function readLease(state: ObjectStore, key: string): Promise<StoredLease | undefined> {
  const found = await findStored(state, key, leaseSchema);
  return found && { lease: found.value, etag: found.etag };
}

/** The lease that the run holds now. @throws LeaseLost when a later run holds it, or nobody does any more. */
export async function requireHeldLease(state: ObjectStore, plan: Plan, fence?: number): Promise<Lease> {
  const lease = (await readLease(state, leaseKey(plan)))?.lease;
  requireLease(lease, plan.runId, fence ?? lease?.fence ?? 0);
  if (lease === undefined) throw new HoldfastError('LeaseLost', `Run ${plan.runId} holds no lease.`);
  return lease;
}
