import type { Clock } from '../src/application/ports/clock.ts';
import type { Logger } from '../src/application/ports/logger.ts';
import type { DeploymentSettings } from '../src/domain/settings.ts';
import { LoadBrake } from '../src/engine/source/load-brake.ts';
import { MemberLoadReader } from '../src/engine/source/member-load.ts';

export interface MemberBrake {
  readonly brake: LoadBrake;
  /** For the backup: what held the dump back, and what could not be watched. */
  readonly warnings: () => string[];
}

/** The brake that a deployment's settings ask for: `limits.bandwidth` and `member.maxLagSeconds`. */
export function makeMemberBrake(
  member: string,
  { limits, member: { maxLagSeconds } }: DeploymentSettings,
  deps: { readonly clock: Clock; readonly logger: Logger; readonly onChange: (state: string | null) => void },
): MemberBrake {
  const reader = new MemberLoadReader(deps.logger);
  const brake = new LoadBrake({
    ...deps,
    bandwidth: limits.bandwidth,
    limits: { maxLagSeconds },
    readLoad: (source) => reader.read(source),
  });
  return {
    brake,
    warnings: () => [
      ...(brake.summary === undefined
        ? []
        : [`Reading ${member} was held back for ${brake.summary.seconds} s, at worst by ${brake.summary.reason}.`]),
      ...(reader.watchesCache
        ? []
        : [`The cache of ${member} was not watched: the backup user lacks serverStatus on the cluster.`]),
    ],
  };
}
