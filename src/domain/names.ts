import { formatTimestampKey, type Timestamp } from './timestamp.ts';

/** Where everything lies: the only module that builds and parses keys of the state storage and of artifact storages. */

/** Keys of the state storage (one per stage). */
export const stateKeys = {
  leases: () => 'leases/',
  lease: (deployment: string) => `leases/${deployment}.json`,
  /** Of who archives the oplog of one replica set. Deployment names hold no dot, so it is no deployment's lease. */
  archiveLease: (deployment: string, replicaSet: string) => `leases/${deployment}.archive.${replicaSet}.json`,
  /** How far the archive of one replica set is: {@link artifactKeys.archive} says where. */
  archiveProgress: (deployment: string, archive: string) => `archives/${deployment}/${archive}.json`,
  archives: (deployment: string) => `archives/${deployment}/`,
  /** @returns undefined for a key that is no archive's progress */
  parseArchiveProgress: (deployment: string, key: string) => {
    const [, replicaSet, replicaSetId] =
      /^([^/]+)-([0-9a-f]{24})\.json$/.exec(key.slice(`archives/${deployment}/`.length)) ?? [];
    return replicaSet === undefined || replicaSetId === undefined ? undefined : { replicaSet, replicaSetId };
  },
  /** That turns of a deployment's archive fail of which nothing is written yet: it has no progress. */
  archiveToBegin: (deployment: string) => `archives/${deployment}/to-begin.json`,
  /** How far the check of that archive is. */
  archiveCheck: (deployment: string, archive: string) => `archives/${deployment}/${archive}.check.json`,
  holds: () => 'holds/',
  hold: (runId: string) => `holds/${runId}.json`,
  isHold: (key: string) => /^holds\/[^/]+\.json$/.test(key),
  /** Of one archive: each who deletes has one of its own. */
  tombstones: (sha256: string) => `holds/tombstones/${sha256}/`,
  tombstone: (sha256: string, id: string) => `holds/tombstones/${sha256}/${id}.json`,
  targetLease: (targetSha256: string) => `leases/target.${targetSha256}.json`,
  request: (sha256: string) => `requests/${sha256}.json`,
  runs: () => 'runs/',
  run: (runId: string) => `runs/${runId}/`,
  runConfig: (runId: string) => `runs/${runId}/config.json`,
  runRequest: (runId: string) => `runs/${runId}/request.json`,
  topology: (runId: string) => `runs/${runId}/topology.json`,
  plan: (runId: string) => `runs/${runId}/plan.json`,
  progress: (runId: string) => `runs/${runId}/progress.json`,
  outcome: (runId: string) => `runs/${runId}/outcome.json`,
  cancel: (runId: string) => `runs/${runId}/cancel`,
  point: (runId: string, part: string) => `runs/${runId}/points/${part}.json`,
  base: (runId: string, part: string) => `runs/${runId}/bases/${part}.json`,
  checkpointsOfRun: (runId: string) => `runs/${runId}/checkpoints/`,
  /** Where the bases of a part leave how far they came: below it one folder for each base that was begun. */
  checkpoints: (runId: string, part: string) => `runs/${runId}/checkpoints/${part}/`,
  /** What is known of the snapshot that a part's base is made from, or is. */
  snapshot: (runId: string, part: string) => `runs/${runId}/snapshots/${part}.json`,
  snapshotStart: (runId: string, part: string) => `runs/${runId}/snapshots/${part}.start.json`,
  locks: () => 'locks/',
  lock: (member: string) => `locks/${member}.json`,
  restoreTime: (runId: string) => `runs/${runId}/restore-time.json`,
  preparedManifest: (runId: string) => `runs/${runId}/manifest.json`,
  /** The slices of the archive that a restore of a part reads after the backup's own. */
  restoreSlices: (runId: string, part: string, name: string) => `runs/${runId}/slices/${part}-${name}.json`,
  restoreResult: (runId: string, part: string) => `runs/${runId}/restored/${part}.json`,
  task: (runId: string, attempt: string) => `runs/${runId}/tasks/${attempt}.json`,
  /** Which processes work for the run (embedded mode): what a sweep waits for. */
  workers: (runId: string) => `runs/${runId}/workers/`,
  worker: (runId: string, attempt: string) => `runs/${runId}/workers/${attempt}.json`,
  errors: (runId: string) => `runs/${runId}/errors/`,
  error: (runId: string, state: string, attempt: number) => `runs/${runId}/errors/${state}-${attempt}.json`,
  journal: (runId: string) => `runs/${runId}/journal.ndjson`,
  /** Exists once nothing is left to do for a run that is over: the sweep looks at it no more. */
  settled: (runId: string) => `runs/${runId}/settled.json`,
  /** That collections of a restore could not be deleted with the outcome, and that they are gone since. */
  leftCollections: (runId: string) => `runs/${runId}/left-collections.json`,
  sweptCollections: (runId: string) => `runs/${runId}/swept-collections.json`,
} as const;

const scheduleRequester = 'schedule ';

/** Who asked, where a schedule did: `requestedBy` of its runs. */
export function requesterOfSchedule(name: string): string {
  return `${scheduleRequester}${name}`;
}

/** @returns the schedule's name; undefined when somebody else asked */
export function scheduleOfRequester(requestedBy: string): string | undefined {
  return requestedBy.startsWith(scheduleRequester) ? requestedBy.slice(scheduleRequester.length) : undefined;
}

/** Whether a lease is that of an archive: no run's, so that no run's end frees it. */
export function isArchiveLease(key: string): boolean {
  return /^leases\/[^./]+\.archive\./.test(key);
}

/** Keys of an artifact storage, below its prefix. */
export const artifactKeys = {
  deployment: (deployment: string) => `${deployment}/`,
  backups: (deployment: string) => `${deployment}/backups/`,
  backup: (deployment: string, backupId: string) => `${deployment}/backups/${backupId}/`,
  manifest: (deployment: string, backupId: string) => `${deployment}/backups/${backupId}/manifest.json`,
  part: (deployment: string, backupId: string, part: string) => `${deployment}/backups/${backupId}/${part}/`,
  index: (partPrefix: string) => `${partPrefix}index.ndjson.zst`,
  /** `attempt` is 1 for the first; pack numbers start at 1. */
  pack: (partPrefix: string, pack: string) => `${partPrefix}packs/${pack}.pack`,
  packs: (partPrefix: string) => `${partPrefix}packs/`,
  oplog: (partPrefix: string) => `${partPrefix}oplog/`,
  slice: (oplogPrefix: string, from: Timestamp) => `${oplogPrefix}${formatTimestampKey(from)}.bson.zst`,
  /** The oplog archives of a deployment, one for each replica set. */
  archives: (deployment: string) => `${deployment}/oplog/`,
  /** The archive of one replica set: a set that is made anew has another id, so that two histories never mix. */
  archive: (deployment: string, replicaSet: string, replicaSetId: string) =>
    `${deployment}/oplog/${replicaSet}-${replicaSetId}/`,
  /** What was seen of the slices of a deployment's archives: a folder for each archive, which no archive's own name can be. */
  sliceIndexes: (deployment: string) => `${deployment}/oplog/index/`,
  sliceIndexesOf: (archivePrefix: string) => archivePrefix.replace(/([^/]+\/)$/, 'index/$1'),
  /** @param day `YYYY-MM-DD`, of the first entries */
  sliceIndex: (archivePrefix: string, day: string) => `${artifactKeys.sliceIndexesOf(archivePrefix)}${day}.ndjson`,
  gaps: (archivePrefix: string) => `${archivePrefix}gaps/`,
  /** Of a restore, for as long as it runs: below it a folder for each of its workers. No deployment's name begins with an underscore. */
  collections: (runId: string) => `${artifactKeys.allCollections()}${runId}/`,
  allCollections: () => '_restores/',
  /** Written and removed to see whether a storage can be written; no deployment's name begins with an underscore. */
  probe: (id: string) => `_check/${id}`,
} as const;

/** The name of a pack within its part: `<attempt>-<n>`. */
export function packName(attempt: number, n: number): string {
  return `${String(attempt).padStart(4, '0')}-${String(n).padStart(5, '0')}`;
}

/** The key of a record, from 1 on, of the base that an attempt began. @param prefix `stateKeys.checkpoints` */
export function checkpointKey(prefix: string, base: number, record: number): string {
  return `${checkpointBasePrefix(prefix, base)}${String(record).padStart(8, '0')}.ndjson.zst`;
}

export function checkpointBasePrefix(prefix: string, base: number): string {
  return `${prefix}${String(base).padStart(4, '0')}/`;
}

/** @returns undefined for a key that is no record's */
export function parseCheckpointKey(prefix: string, key: string): { base: number; record: number } | undefined {
  const [, base, record] = /^(\d{4,})\/(\d{8,})\.ndjson\.zst$/.exec(key.slice(prefix.length)) ?? [];
  return base === undefined || record === undefined ? undefined : { base: Number(base), record: Number(record) };
}

/**
 * `backup-20261122T101530Z-1f9a3c`: sorts by time within its workflow.
 * @param random what makes it unique across processes
 */
export function makeRunId(workflow: string, now: Date, random: string): string {
  return `${workflow}-${idTime(now)}-${random}`;
}

/** `20261122T101530Z`: a time as ids have it, in whole seconds; sorts by time. */
export function idTime(time: Date): string {
  return time.toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
}

export const deploymentNamePattern = /^[a-z][a-z0-9-]{0,30}$/;

/** `20261122T101530Z-logical-k3f9`: sorts by time, says the method; the suffix comes from the run id, so that a state run again makes the same. */
export function makeBackupId(startedAt: Date, method: string, runIdSha256: string): string {
  return `${idTime(startedAt)}-${method}-${BigInt(`0x${runIdSha256.slice(0, 12)}`)
    .toString(36)
    .slice(0, 4)
    .padStart(4, '0')}`;
}

export const backupIdPattern = /^\d{8}T\d{6}Z-(snapshot|physical|logical)-[a-z0-9]{4}$/;

/** Splits `db.coll` at the first dot: database names hold none. */
export function splitNamespace(ns: string): { db: string; coll: string } {
  const dot = ns.indexOf('.');
  return { db: ns.slice(0, dot), coll: ns.slice(dot + 1) };
}

/** How a worker task on ECS is told what to do: the container that gets the override, and the variable with the task document's key. */
export const workerContainer = { name: 'worker', taskKey: 'HOLDFAST_TASK_KEY' } as const;

/** The volume of a worker that gets one when it is launched: its name in the task definition, and where it is mounted. */
export const workerVolume = { name: 'data', path: '/data' } as const;

/** Tags on what is made outside of the stack, such as snapshots: roles are held to them, and what is left is found by them. */
export const resourceTags = {
  stage: 'holdfast:stage',
  deployment: 'holdfast:deployment',
  run: 'holdfast:run',
  part: 'holdfast:part',
  /** {@link temporary} or {@link keptSnapshot}. */
  purpose: 'holdfast:purpose',
  /** Of the worker that a restore's volume was made for. */
  attempt: 'holdfast:attempt',
  /** On the volume of a restore until its run is complete: only with it the stage may delete the volume. */
  unfinished: 'holdfast:unfinished',
} as const;

/** Of snapshots that files are copied from, and of volumes that workers read or work on: nobody needs them once their run is over. */
export const temporary = 'temporary';
/** Of snapshots that are a backup. */
export const keptSnapshot = 'base';

/** The run that a task document belongs to. @returns undefined when the key is none of {@link stateKeys.task} */
export function runOfTask(taskKey: string): string | undefined {
  return /^runs\/([^/]+)\/tasks\/[^/]+\.json$/.exec(taskKey)?.[1];
}

/** Names of what a stage has in AWS; each is unique in its account and Region. */
export const stageNames = {
  stack: (stage: string) => `holdfast-${stage}`,
  stateMachine: (stage: string, workflow: string) => `holdfast-${stage}-${workflow}`,
  function: (stage: string, folder: string) => `holdfast-${stage}-${folder}`,
  /** The group of the one-time schedules that watch locks. */
  lockSchedules: (stage: string) => `holdfast-${stage}-locks`,
  worker: (stage: string) => `holdfast-${stage}-worker`,
  volumeWorker: (stage: string, mongodbVersion: string) =>
    `holdfast-${stage}-worker-volume-${mongodbVersion.replaceAll('.', '-')}`,
  apiUrlParameter: (stage: string) => `/holdfast/${stage}/api-url`,
} as const;
