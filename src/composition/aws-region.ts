import { HoldfastError } from '../domain/errors.ts';

/** The Region that Lambda and ECS tell every process of theirs. @throws InvalidConfig where neither runs it */
export function awsRegion(): string {
  const region = process.env['AWS_REGION'];
  if (region !== undefined) return region;
  throw new HoldfastError('InvalidConfig', 'AWS_REGION is not set', { next: 'Set it to the Region of the stage.' });
}
