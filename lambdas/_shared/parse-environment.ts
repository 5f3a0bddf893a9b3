import * as z from 'zod';
import { HoldfastError } from '../../src/domain/errors.ts';

/** The variables of this function, checked once at the cold start. @throws InvalidConfig with all problems at once */
export function parseEnvironment<S extends z.ZodType>(
  schema: S,
  environment: NodeJS.ProcessEnv = process.env,
): z.output<S> {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('InvalidConfig', `the function's environment: ${z.prettifyError(parsed.error)}`, {
    next: 'Deploy the stack again: it sets them.',
  });
}
