import { awsCaptureWait, nextCaptureWait } from './capture-wait.ts';
import { type ArchivePolicy, archiveCost } from './archive-cost.ts';
import { type CostItem, makeItem } from './cost-items.ts';
import { prices, pricesDate, pricesRegion } from './prices.ts';
import { progressIntervals } from './progress.ts';
import { sweepEveryMinutes, workerTaskSize } from './stage-sizes.ts';

/** What a deployment's policy costs on AWS by the month. Pure: sizes and counts in, items out. */

/** A policy as far as it costs something. Sizes are of one backup, all parts together. */
export interface CostPolicy {
  readonly backupsPerMonth: number;
  /** Backups that lie in the storage at once. */
  readonly backupsKept: number;
  /** Replica sets. */
  readonly parts: number;
  /** Bytes of BSON that are read. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** From the first to the last byte of one backup's dump, in seconds. */
  readonly dumpSeconds: number;
  /** Whether the storage is S3 of AWS: a server of one's own is not on AWS's bill. */
  readonly storedOnAws: boolean;
  /** Availability zones that tasks run in. */
  readonly zones: number;
  /** Interface endpoints that the stack makes, each in every zone. */
  readonly endpoints: number;
  readonly secrets: number;
  /** Left out where the oplog is not archived. */
  readonly archive?: ArchivePolicy | undefined;
}

export interface CostForecast {
  readonly currency: 'USD';
  readonly region: string;
  /** When the prices were retrieved. */
  readonly pricesDate: string;
  readonly usdPerMonth: number;
  /** The part of it that the deployment causes. */
  readonly usdOfDeployment: number;
  /** The dearest first. */
  readonly items: readonly CostItem[];
}

/** What is assumed where nothing is configured or measured; printed beside the forecast. */
export const costAssumptions = {
  hoursPerMonth: 730,
  /** Seconds that Fargate bills beside the dump: pulling the image, stopping. */
  taskStartSeconds: 60,
  /** Counted in an executed run of a replica set (bench:overhead, test/e2e/aws-stage.test.ts), upwards. */
  transitions: 16,
  transitionsOfWait: 3,
  /** S3 requests of a run beside those for what it stores: its documents, lease, plan. */
  runWrites: 60,
  runReads: 250,
  functionCalls: 12,
  /** GB-seconds of one function call, cold start included. */
  functionWork: 2,
  logBytesOfRun: 1 << 20,
  logBytesOfSweep: 4096,
  /** Stored bytes of one pack, and of one part of its upload. */
  packBytes: 128 * 2 ** 20,
  uploadBytes: 8 * 2 ** 20,
} as const;

const { hoursPerMonth } = costAssumptions;
const gib = 2 ** 30;

/** How often the backup's machine waits while a dump of that length runs. */
export function waitsOf(dumpSeconds: number): number {
  let waits = 0;
  for (let elapsed = 0; elapsed < dumpSeconds; waits++) elapsed += nextCaptureWait(awsCaptureWait, elapsed);
  return waits;
}

/** Fargate bills a minute at least. */
function compute({ backupsPerMonth, parts, dumpSeconds }: CostPolicy): CostItem[] {
  const seconds = Math.max(60, dumpSeconds + costAssumptions.taskStartSeconds);
  const hours = (backupsPerMonth * parts * seconds) / 3600;
  const { cpu, memoryMiB } = workerTaskSize;
  return [
    makeItem('Fargate, vCPU', 'deployment', (hours * cpu) / 1024, prices.fargateVcpu),
    makeItem('Fargate, memory', 'deployment', (hours * memoryMiB) / 1024, prices.fargateMemory),
  ];
}

function storage({ backupsPerMonth, backupsKept, rawBytes, storedBytes, storedOnAws, dumpSeconds }: CostPolicy) {
  const { packBytes, uploadBytes, runWrites, runReads } = costAssumptions;
  const packs = Math.ceil(storedBytes / packBytes);
  const uploads = Math.ceil(storedBytes / uploadBytes) + 2 * packs;
  // Beside each pack a record of the checkpoint; and the progress.
  const writes = runWrites + packs + (dumpSeconds * 1000) / progressIntervals.fargate + (storedOnAws ? uploads : 0);
  // Cancel, fence and later attempts are looked for before each pack, a cancel every second; each pack is checked at the end.
  const reads = runReads + dumpSeconds + 3 * packs + (storedOnAws ? 2 * packs : 0);
  const used = rawBytes === 0 ? 0 : backupsPerMonth;
  return [
    ...(storedOnAws
      ? [makeItem('S3, storage', 'deployment', (backupsKept * storedBytes) / gib, prices.s3Storage)]
      : []),
    makeItem('S3, writes', 'deployment', used * writes, prices.s3Write),
    makeItem('S3, reads', 'deployment', used * reads, prices.s3Read),
  ];
}

function orchestration({ backupsPerMonth, dumpSeconds }: CostPolicy): CostItem[] {
  const { transitions, transitionsOfWait, functionCalls, functionWork, logBytesOfRun } = costAssumptions;
  const waits = waitsOf(dumpSeconds);
  const calls = backupsPerMonth * (functionCalls + waits);
  return [
    makeItem(
      'Step Functions',
      'deployment',
      backupsPerMonth * (transitions + transitionsOfWait * waits),
      prices.stepFunctionsTransition,
    ),
    makeItem('Lambda, requests', 'deployment', calls, prices.lambdaRequest),
    makeItem('Lambda, duration', 'deployment', calls * functionWork, prices.lambdaDuration),
    makeItem('Scheduler', 'deployment', backupsPerMonth, prices.schedulerInvocation),
    makeItem('EventBridge', 'deployment', backupsPerMonth, prices.eventBridgeEvent),
    makeItem('Logs', 'deployment', (backupsPerMonth * logBytesOfRun) / gib, prices.logsIngested),
  ];
}

/** A bucket key saves nearly all requests to KMS: about one for a hundred of S3, and one for each secret that is read. */
function secretsAndKeys(policy: CostPolicy): CostItem[] {
  const { backupsPerMonth, secrets } = policy;
  const secretReads = backupsPerMonth * 4;
  const objects = storage(policy).reduce(
    (sum, { item: name, quantity }) => sum + (/writes|reads/.test(name) ? quantity : 0),
    0,
  );
  return [
    makeItem('Secrets Manager', 'deployment', secrets, prices.secret),
    makeItem('Secrets Manager, requests', 'deployment', secretReads, prices.secretRequest),
    makeItem('KMS, requests', 'deployment', secretReads + objects / 100, prices.kmsRequest),
    makeItem('KMS, the stage’s key', 'stage', 1, prices.kmsKey),
  ];
}

function network({ backupsPerMonth, rawBytes, zones, endpoints }: CostPolicy): CostItem[] {
  // A task's zone is Fargate's choice; what it reads from a member in another zone is paid in both directions.
  const crossing = zones === 0 ? 0 : ((zones - 1) / zones) * (rawBytes / gib) * 2;
  return [
    makeItem('data between zones', 'deployment', backupsPerMonth * crossing, prices.crossZoneData),
    makeItem('VPC endpoints', 'stage', endpoints * zones * hoursPerMonth, prices.endpointHour),
  ];
}

function housekeeping(): CostItem[] {
  const { functionWork, logBytesOfSweep } = costAssumptions;
  const sweeps = (hoursPerMonth * 60) / sweepEveryMinutes;
  return [
    makeItem('sweep, Lambda', 'stage', sweeps * functionWork, prices.lambdaDuration),
    makeItem('sweep, S3 lists', 'stage', sweeps * 10, prices.s3Write),
    makeItem('sweep, logs', 'stage', (sweeps * logBytesOfSweep) / gib, prices.logsIngested),
    makeItem('sweep, alarm', 'stage', 1, prices.alarm),
  ];
}

/** The items of a month, the dearest first, without those of nothing. */
export function forecastCost(policy: CostPolicy): CostForecast {
  const items = [
    ...compute(policy),
    ...storage(policy),
    ...orchestration(policy),
    ...secretsAndKeys(policy),
    ...network(policy),
    ...housekeeping(),
    ...(policy.archive ? archiveCost(policy.archive) : []),
  ]
    .filter(({ quantity }) => quantity > 0)
    .sort((a, b) => b.usd - a.usd);
  const sum = (some: readonly CostItem[]): number => some.reduce((total, { usd }) => total + usd, 0);
  return {
    ...{ currency: 'USD', region: pricesRegion, pricesDate },
    usdPerMonth: sum(items),
    usdOfDeployment: sum(items.filter(({ of }) => of === 'deployment')),
    items,
  };
}
