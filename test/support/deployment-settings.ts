import type { DeploymentSettings } from '../../src/domain/settings.ts';

/** What the config's defaults make of a deployment of which only some keys are written. */
export function deploymentSettings(given: Partial<DeploymentSettings> & { uri: string }): DeploymentSettings {
  return {
    name: 'orders',
    storage: 'laptop',
    member: { prefer: 'hidden', allowSecondary: true, allowPrimary: false, maxLagSeconds: 20 },
    compression: { codec: 'zstd', level: 1 },
    limits: { parallel: 4 },
    ...given,
  };
}
