import * as z from 'zod';
import type { ProblemWithoutPlace } from './config-problems.ts';

/** Rules over storages that lock and deployments that say for how long. */

const text = z.string().optional().catch(undefined);

/** What the rules look at of a deployment. */
export const lockRuleInput = {
  storage: text,
  schedules: z
    .record(z.string(), z.object({ storage: text }).catch({}))
    .optional()
    .catch(undefined),
  oplogArchive: z.object({ storage: text }).optional().catch(undefined),
  retention: z.unknown().optional(),
};
type LockRuleInput = z.infer<z.ZodObject<typeof lockRuleInput>>;

/**
 * A lock needs a length, and a length needs a lock: retention that keeps and deletes nothing would be relied on.
 * @param storages with `objectLock` as far as it is there
 */
export function lockProblems(
  name: string,
  deployment: LockRuleInput,
  storages: Readonly<Record<string, { readonly objectLock?: unknown }>>,
): ProblemWithoutPlace[] {
  const names = Object.keys(storages);
  const own = deployment.storage ?? (names.length === 1 ? names[0] : undefined);
  const used = [own, ...Object.values(deployment.schedules ?? {}).map(({ storage }) => storage)];
  const locks = (storage: string | undefined): boolean =>
    storage !== undefined && storages[storage]?.objectLock !== undefined;
  const locking = used.find(locks);
  const problems: ProblemWithoutPlace[] = [];
  const at = (...keys: string[]) => ['deployments', name, ...keys];
  if (locking !== undefined && deployment.retention === undefined) {
    const expected = `how long backups in ${locking} are locked`;
    problems.push({ path: at('retention'), given: 'nothing', expected, next: 'Add retention: { days: 14 }.' });
  }
  if (locking === undefined && deployment.retention !== undefined) {
    const expected = 'no retention: none of its storages has objectLock';
    const next = 'Remove retention, or add objectLock to the storage. This release deletes no backup by itself.';
    problems.push({ path: at('retention'), given: 'retention', expected, next });
  }
  const archive = deployment.oplogArchive === undefined ? undefined : (deployment.oplogArchive.storage ?? own);
  if (locks(archive)) {
    const expected = 'a storage without objectLock: slices of the archive are not locked in this release';
    const next = 'Name another storage for the archive by oplogArchive.storage.';
    problems.push({ path: at('oplogArchive'), given: archive ?? '', expected, next });
  }
  return problems;
}
