import type { z } from 'zod';
import { isHoldfastError } from '../../domain/errors.ts';
import { nextLease } from '../../domain/lease.ts';
import type { Lease } from '../../domain/run.ts';
import type { Plan } from '../../domain/run-documents.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { writeDocument } from '../documents.ts';
import { leaseKey, readLease, readPlan } from '../leases.ts';
import type { Executions } from '../ports/executions.ts';
import type { WorkerLauncher } from '../ports/worker-launcher.ts';
import { refuseWhenCancelled } from '../run-folder.ts';

export const acquireLeaseInput = stepSchema;

export interface AcquireLeaseDeps extends StepDeps {
  readonly executions: Executions;
  readonly launcher: WorkerLauncher;
}

/** Rivals that start at once lose to one of them each round; the loser of a round sees a running holder in the next. */
const maximumRounds = 20;

/**
 * Takes the lease of what the plan needs alone, once no worker of a holder that is over can still write. A state that runs
 * again keeps what it took. @throws DeploymentBusy, TargetBusy
 */
export async function acquireLease(
  input: z.output<typeof acquireLeaseInput>,
  deps: AcquireLeaseDeps,
): Promise<{ readonly fence: number }> {
  await refuseWhenCancelled(deps.state, input.runId);
  const plan = await readPlan(deps.state, input.runId);
  for (let round = 1; ; round += 1) {
    try {
      return { fence: (await tryAcquire(plan, deps)).fence };
    } catch (error) {
      const outrun = isHoldfastError(error, 'ObjectExists', 'PreconditionFailed');
      if (!outrun || round === maximumRounds) throw error;
    }
  }
}

async function tryAcquire(plan: Plan, deps: AcquireLeaseDeps): Promise<Lease> {
  const key = leaseKey(plan);
  const current = await readLease(deps.state, key);
  const held = current !== undefined && current.lease.released !== true && current.lease.run !== plan.runId;
  const heldAndRunning = held && (await deps.executions.isRunning(current.lease.run));
  if (held && !heldAndRunning) await deps.launcher.stopAll(current.lease.run);
  const { lease, condition } = nextLease(
    current,
    { owner: plan.requestedBy, run: plan.runId, now: deps.clock.now() },
    heldAndRunning,
    plan.kind === 'backup' ? 'DeploymentBusy' : 'TargetBusy',
  );
  if (condition !== undefined) await writeDocument(deps.state, key, lease, condition);
  return lease;
}
