import { HoldfastError } from './errors.ts';
import type { Lease } from './run.ts';

/** A lease as it was read: with the etag that a change of it must meet. */
export interface StoredLease {
  readonly lease: Lease;
  readonly etag: string;
}

export interface LeaseRequest {
  /** For people: who asked for the run. */
  readonly owner: string;
  readonly run: string;
  readonly now: Date;
}

export interface NextLease {
  readonly lease: Lease;
  /** How to write it, so that one of two runs wins; undefined when the run holds it already and nothing is to be written. */
  readonly condition: { readonly ifNoneMatch: '*' } | { readonly ifMatch: string } | undefined;
}

export type BusyError = 'DeploymentBusy' | 'TargetBusy';

/**
 * The lease that a run may take: when there is none, when it was released, when its run is over, or when it is the
 * run's own already. The fence grows by one with every holder, so that it outdates all earlier ones.
 * @param currentIsRunning whether the run that holds `current` still runs; asked before, by the Executions port.
 * @throws DeploymentBusy, or what `busy` says: who holds it, and since when.
 */
export function nextLease(
  current: StoredLease | undefined,
  request: LeaseRequest,
  currentIsRunning: boolean,
  busy: BusyError = 'DeploymentBusy',
): NextLease {
  const held = current !== undefined && current.lease.released !== true;
  if (held && current.lease.run === request.run) return { lease: current.lease, condition: undefined };
  if (held && currentIsRunning) {
    const { owner, run, acquiredAt } = current.lease;
    throw new HoldfastError(busy, `Run ${run}, started by ${owner}, holds it since ${acquiredAt}.`, {
      next: `Wait for that run, or cancel it: holdfast cancel ${run}`,
      details: { owner, run, since: acquiredAt },
    });
  }
  const lease: Lease = {
    schemaVersion: 1,
    owner: request.owner,
    run: request.run,
    acquiredAt: request.now.toISOString(),
    fence: (current?.lease.fence ?? 0) + 1,
  };
  return { lease, condition: current === undefined ? { ifNoneMatch: '*' } : { ifMatch: current.etag } };
}

/** The lease given back: it stays, with its fence, so that the next holder's is greater. */
export function releasedLease(lease: Lease): Lease {
  return { ...lease, released: true };
}

/** @throws LeaseLost unless the stored lease is the one that the run took, with the same fence, and not released. */
export function requireLease(stored: Lease | undefined, run: string, fence: number): void {
  if (stored !== undefined && stored.run === run && stored.fence === fence && stored.released !== true) return;
  const holder = stored === undefined ? 'there is none' : `run ${stored.run} has it, with fence ${stored.fence}`;
  throw new HoldfastError('LeaseLost', `Run ${run} no longer holds its lease (fence ${fence}): ${holder}.`);
}
