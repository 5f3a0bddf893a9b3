import * as z from 'zod';
import { asHoldfastError, failureRecord } from '../domain/failure.ts';
import { HoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import { runIdPattern } from '../domain/run.ts';
import type { StepError } from '../domain/run-documents.ts';
import { writeDocument } from './documents.ts';
import type { Clock } from './ports/clock.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

/** What every state of a state machine hands over: the run, the state, and how often it was tried before. */
export const stepSchema = z.strictObject({
  runId: z.string().regex(runIdPattern),
  state: z.string(),
  retry: z.int().min(0),
});

export interface StepDeps {
  readonly state: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A use case as a state machine calls it: unchecked JSON in, small JSON out. */
export type BoundUseCase = (payload: unknown, signal?: AbortSignal) => Promise<unknown>;

/**
 * Makes a use case callable by a state machine, in both modes: checks the payload, and writes a failure to
 * `runs/<run>/errors/<state>-<attempt>.json` before throwing it on, under its own name.
 */
export function bind<S extends z.ZodType<z.infer<typeof stepSchema>>, D extends StepDeps>(
  useCase: (input: z.output<S>, deps: D, signal?: AbortSignal) => Promise<unknown>,
  inputSchema: S,
): (deps: D) => BoundUseCase {
  return (deps) => async (payload, signal) => {
    try {
      const input = inputSchema.safeParse(payload);
      if (!input.success) throw new HoldfastError('InvalidInput', z.prettifyError(input.error));
      deps.logger.debug(`${input.data.state} begins`, { runId: input.data.runId, retry: input.data.retry });
      return await useCase(input.data, deps, signal);
    } catch (error) {
      const failure = asHoldfastError(error);
      const step = z.object(stepSchema.shape).safeParse(payload);
      // Who aborted the step knows why: nothing went wrong here.
      if (step.success && signal?.aborted !== true) await recordStepError(step.data, failure, deps);
      throw failure;
    }
  };
}

/**
 * Makes a use case callable by a state machine whose executions are no runs: checks the payload, and leaves no record. What
 * fails is made good by the next execution, and is in the log.
 */
export function bindTurn<S extends z.ZodType, D>(
  useCase: (input: z.output<S>, deps: D, signal?: AbortSignal) => Promise<unknown>,
  inputSchema: S,
): (deps: D) => BoundUseCase {
  return (deps) => async (payload, signal) => {
    const input = inputSchema.safeParse(payload);
    if (!input.success) throw new HoldfastError('InvalidInput', z.prettifyError(input.error));
    return useCase(input.data, deps, signal);
  };
}

/** Keeps one failed try in the run's folder. That it can't be kept never hides the failure itself. */
export async function recordStepError(
  step: z.infer<typeof stepSchema>,
  error: HoldfastError,
  deps: StepDeps,
): Promise<void> {
  const attempt = step.retry + 1;
  const record: StepError = {
    schemaVersion: 1,
    state: step.state,
    attempt,
    at: deps.clock.now().toISOString(),
    error: failureRecord(error),
    details: { ...error.details },
    stack: error.name === 'Internal' ? stackOf(error) : null,
  };
  // What is not tried again ends the run, which tells it.
  const { code, message: reason } = record.error;
  const fields = { runId: step.runId, attempt, name: error.name, code, reason };
  if (error.retryable) deps.logger.warn(`${step.state} failed`, fields);
  else deps.logger.info(`${step.state} failed`, fields);
  const name = step.state.toLowerCase().replace(/[^a-z0-9.]+/g, '-');
  try {
    await writeDocument(deps.state, stateKeys.error(step.runId, name, attempt), record);
  } catch (lost) {
    deps.logger.error('an error could not be recorded', { runId: step.runId, reason: String(lost) });
  }
}

function stackOf(error: HoldfastError): string | null {
  return (error.cause instanceof Error ? error.cause.stack : error.stack) ?? null;
}
