import type { HoldfastClient } from '../src/application/ports/holdfast-client.ts';
import type { Logger } from '../src/application/ports/logger.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import type { Settings } from '../src/domain/settings.ts';

export type EmbeddedOptions = ({ readonly configPath: string } | { readonly settings: Settings }) & {
  readonly logger?: Logger;
};

/**
 * The product in this process: the state machines of statemachines/ on the embedded engine, a child process for every
 * worker. What earlier processes left is swept first. Close it at the end.
 * @throws InvalidConfig, and the errors of the state directory
 */
export function openEmbedded(options: EmbeddedOptions): Promise<HoldfastClient> {
  return Promise.reject(
    new HoldfastError('Internal', `not yet: ${'settings' in options ? options.settings.stage : options.configPath}`),
  );
}
