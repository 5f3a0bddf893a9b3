import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import type { Logger } from '../../src/application/ports/logger.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { asHoldfastError, failureCause } from '../../src/domain/failure.ts';

/** Milliseconds before Lambda would end the function: time to abort what runs, and to say so under a name. */
const timeoutEarly = 5_000;

export type LambdaHandler = (event: unknown, context: Context) => Promise<unknown>;

/**
 * What every function has around its work: a signal that is aborted before the function's time is over, errors that leave
 * under their own name with code, message and next step as JSON (Step Functions matches the name and keeps the rest as the
 * cause), and one line of log for each that does.
 */
export function makeHandler(
  work: (event: unknown, signal: AbortSignal) => Promise<unknown>,
  { logger }: { readonly logger: Logger },
): LambdaHandler {
  return middy<unknown, unknown>({
    timeoutEarlyInMillis: timeoutEarly,
    timeoutEarlyResponse: () => {
      throw new HoldfastError('StepTimedOut', 'the function was not done in its time');
    },
  })
    .onError(({ error, context }) => {
      const failure = asHoldfastError(error);
      const { name, code, message } = failure;
      logger.error('the function failed', { requestId: context.awsRequestId, name, code, reason: message });
      throw namedError(failure);
    })
    .handler((event, _context, { signal }) => work(event, signal));
}

/** Without a stack: Lambda would hand it on to the execution's history, where it tells nobody anything. */
function namedError(failure: HoldfastError): Error {
  const error = new HoldfastError(failure.name, failureCause(failure));
  error.stack = `${failure.name}: ${failure.code}`;
  return error;
}
