import fc, { type Arbitrary } from 'fast-check';
import { expect } from 'vitest';
import type { ErrorName } from '../../../src/domain/error-registry.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

/** How long and how often a property is tried. */
export interface FuzzBudget {
  readonly runs: number;
  readonly milliseconds: number;
}

/** Milliseconds, with room for a machine that is busy with other tests: what is refused late is a hang. */
const slowestParse = 10_000;

const longestMessage = 20_000;

/**
 * Runs a parser on one input. Whatever the input is, the parser returns, or it throws one of the named product errors
 * and says which object was read; it does not take long.
 * @returns what the parser returned; undefined when it refused
 */
export async function typedOutcome<T>(
  parse: () => T | Promise<T>,
  names: readonly ErrorName[],
  where?: string,
): Promise<Awaited<T> | undefined> {
  const start = performance.now();
  try {
    const parsed = await parse();
    expect(performance.now() - start).toBeLessThan(slowestParse);
    return parsed;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    expect(performance.now() - start).toBeLessThan(slowestParse);
    if (!names.includes(error.name)) throw error;
    if (where !== undefined) expect(error.message).toContain(where);
    expect(error.message.length).toBeLessThan(longestMessage);
    return undefined;
  }
}

/** Tries a property until its budget is used up. */
export async function fuzz<T>(
  budget: FuzzBudget,
  input: Arbitrary<T>,
  property: (value: T) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(input, property), {
    numRuns: budget.runs,
    interruptAfterTimeLimit: budget.milliseconds,
    markInterruptAsFailure: false,
  });
}
