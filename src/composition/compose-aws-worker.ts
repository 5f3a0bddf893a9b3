import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { LocalScratchServers } from '../adapters/process/local-scratch-servers.ts';
import { JsonLogger } from '../adapters/process/json-logger.ts';
import { SystemClock } from '../adapters/process/system-clock.ts';
import { HoldfastError } from '../domain/errors.ts';
import { progressIntervals } from '../domain/progress.ts';
import { awsState, awsStorages, openSecrets } from './aws-storages.ts';
import type { ComposedWorker } from './compose-worker.ts';
import { makeOpenReadMember } from './open-member.ts';
import { makeFolderOn } from './temporary-folder.ts';
import { makeOpenTarget } from './open-target.ts';

/** A worker on Fargate: everything it needs to know is in the state bucket, every secret in Secrets Manager. */
export function composeFargateWorker(
  env: { readonly STATE_BUCKET: string; readonly VOLUME_PATH?: string | undefined },
  runId: string,
): ComposedWorker {
  const clock = new SystemClock();
  const logger = new JsonLogger({ clock, fields: { runId } });
  const readSecret = openSecrets();
  const state = awsState(env.STATE_BUCKET);
  const volumePath = () => {
    if (env.VOLUME_PATH !== undefined) return env.VOLUME_PATH;
    throw new HoldfastError('Internal', 'this worker was launched without a volume');
  };
  return {
    deps: {
      state,
      openStorage: awsStorages(readSecret),
      clock,
      logger,
      toolVersion: packageJson.version,
      progressInterval: progressIntervals.fargate,
      openMember: makeOpenReadMember({ readSecret }),
      openTarget: makeOpenTarget({ readSecret }),
      snapshotRoot: ({ dataPath }) => join(volumePath(), dataPath),
      volumePath: env.VOLUME_PATH,
      scratch: new LocalScratchServers(),
      // Nothing else of the task has room, or can be written.
      makeTemporaryFolder: async () => makeFolderOn(volumePath()),
    },
    close: () => state.close(),
  };
}
