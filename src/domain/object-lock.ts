import * as z from 'zod';

/** `compliance` binds everybody, the account's owner too; `governance` all who lack the right to bypass it. */
export const objectLockModeSchema = z.enum(['governance', 'compliance']);

/** How a backup's objects are kept from being deleted, counted from its end. */
export const lockPlanSchema = z.strictObject({ mode: objectLockModeSchema, days: z.int().min(1) });

/** How they are kept from it once the backup is complete. */
export const objectLockSchema = z.strictObject({ mode: objectLockModeSchema, until: z.iso.datetime() });
export type ObjectLock = z.infer<typeof objectLockSchema>;

const day = 86_400_000;

/** @param finishedAt of the backup: a lock that is set again, by whoever finishes the run, ends at the same moment */
export function lockFrom({ mode, days }: z.infer<typeof lockPlanSchema>, finishedAt: Date): ObjectLock {
  return { mode, until: new Date(finishedAt.getTime() + days * day).toISOString() };
}
