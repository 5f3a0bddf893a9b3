import packageJson from '../../package.json' with { type: 'json' };
import type { MongoClient } from 'mongodb';
import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { LocalScratchServers } from '../adapters/process/local-scratch-servers.ts';
import { JsonLogger } from '../adapters/process/json-logger.ts';
import { SystemClock } from '../adapters/process/system-clock.ts';
import type { Clock } from '../application/ports/clock.ts';
import type { Logger } from '../application/ports/logger.ts';
import type { ObjectStore } from '../application/ports/object-store.ts';
import type { ScratchServers } from '../application/ports/scratch-servers.ts';
import type { MakeTemporaryFolder } from '../application/ports/temporary-folder.ts';
import type { OpenTarget } from '../application/restore-target.ts';
import type { OpenStorage } from '../application/run-folder.ts';
import type { SnapshotFacts } from '../domain/base.ts';
import { progressIntervals } from '../domain/progress.ts';
import { LocalStorages } from './local-storages.ts';
import { makeOpenReadMember, type ReadMemberConnection } from './open-member.ts';
import { localSnapshotRoot } from './snapshot-root.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';
import { makeOpenTarget } from './open-target.ts';

/** What a worker's task works with. */
export interface WorkerDeps {
  readonly state: ObjectStore;
  readonly openStorage: OpenStorage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly toolVersion: string;
  /** Milliseconds between two writes of the progress. */
  readonly progressInterval: number;
  readonly openMember: (member: ReadMemberConnection) => Promise<MongoClient>;
  readonly openTarget: OpenTarget;
  readonly scratch: ScratchServers;
  /** Where the data directory of a snapshot is to be read. */
  readonly snapshotRoot: (snapshot: SnapshotFacts) => string;
  /** Where the volume is mounted that the worker was launched with; left out where there is none. */
  readonly volumePath?: string | undefined;
  readonly makeTemporaryFolder: MakeTemporaryFolder;
}

export interface ComposedWorker {
  readonly deps: WorkerDeps;
  readonly close: () => Promise<void>;
}

/** A worker on one machine. `environment` holds the credentials that came over the channel. */
export function composeWorker(
  stateDir: string,
  runId: string,
  environment: Readonly<Record<string, string>>,
): ComposedWorker {
  const clock = new SystemClock();
  const logger = new JsonLogger({ clock, fields: { runId, pid: process.pid } });
  const state = new DirectoryObjectStore({ root: stateDir, description: `state directory ${stateDir}` });
  // For the AWS SDK's own chain, which reads nothing else; set from inside, it is not in what the system shows of a process.
  for (const [name, value] of Object.entries(environment)) if (name.startsWith('AWS_')) process.env[name] = value;
  const storages = new LocalStorages({ environment });
  const openMember = makeOpenReadMember({ environment });
  const openTarget = makeOpenTarget({ environment });
  const openStorage = storages.open.bind(storages);
  return {
    deps: {
      ...{ state, openStorage, clock, logger, toolVersion: packageJson.version, openMember, openTarget },
      progressInterval: progressIntervals.local,
      ...{ snapshotRoot: localSnapshotRoot, scratch: new LocalScratchServers(), makeTemporaryFolder },
    },
    close: async () => {
      await storages.close();
      await state.close();
    },
  };
}
