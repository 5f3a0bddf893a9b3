import type { ErrorEntry } from './error-entry.ts';
import { runErrors } from './registry/run-errors.ts';
import { sourceErrors } from './registry/source-errors.ts';
import { storageErrors } from './registry/storage-errors.ts';
import { targetErrors } from './registry/target-errors.ts';
import { usageErrors } from './registry/usage-errors.ts';

export { exitCodes } from './error-entry.ts';

/**
 * Every error of the product: its name is the token that state machines match, its code is what documentation and
 * support use, its kind decides the exit code. docs/errors.md is generated from this registry (scripts/generate-errors.ts).
 */

export const errorRegistry = {
  ...usageErrors,
  ...sourceErrors,
  ...storageErrors,
  ...targetErrors,
  ...runErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorName = keyof typeof errorRegistry;
