import type { ArchivePolicy } from '../domain/archive-cost.ts';
import type { CostPolicy } from '../domain/cost-forecast.ts';
import { HoldfastError } from '../domain/errors.ts';
import { configuredDeployment, type DeploymentSettings, type Settings } from '../domain/settings.ts';
import { endpointServices, lockEndpointServices, oldVersionDays } from '../domain/stage-sizes.ts';
import { nextRuns } from './aws-cron.ts';

/** Means of a deployment's backups. */
export interface MeasuredBackups {
  readonly count: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly seconds: number;
}

export interface CostQuestion {
  readonly deployment: string;
  /** Undefined where there is none, or another size is asked about. */
  readonly measured?: MeasuredBackups | undefined;
  /** Bytes of BSON that a backup reads, instead of those that were measured. */
  readonly rawBytes?: number | undefined;
  /** Days for which backups are kept; left out: nothing is deleted, and a year's backups are there. */
  readonly keepDays?: number | undefined;
  /** Bytes of oplog that the deployment writes in a day; left out: none. */
  readonly oplogBytesPerDay?: number | undefined;
  readonly now: Date;
}

/** Where nothing was measured: bytes per second that a task reads and stores, and what zstd leaves of documents. */
const assumedRate = 100 * 2 ** 20;
const assumedRatio = 0.4;

const daysPerMonth = 365 / 12;
/** Enough of a schedule's runs to know how often it runs. */
const countedRuns = 1000;

/**
 * The policy that a config gives a deployment on AWS, with what had to be assumed, for people.
 * @throws UnknownDeployment; InvalidInput when the config is not one of AWS, or nothing tells how large a backup is
 */
export function costPolicyOf(
  settings: Settings,
  question: CostQuestion,
): { readonly policy: CostPolicy; readonly assumptions: readonly string[] } {
  const deployment = configuredDeployment(settings, question.deployment);
  const { network } = settings;
  if (network === undefined) {
    throw new HoldfastError('InvalidInput', 'the config is not one of AWS: it has no network', {
      next: 'Forecast with the config that the stage is deployed from.',
    });
  }
  const assumptions: string[] = [];
  const size = sizeOf(deployment, question, assumptions);
  const backupsPerMonth = runsPerMonth(deployment, question.now, assumptions);
  const storages = storagesOf(settings, deployment);
  const storedOnAws = storages.every((storage) => storage.type === 's3' && storage.endpoint === undefined);
  if (!storedOnAws)
    assumptions.push('Not all storages are S3 of AWS: what they cost is not on its bill, and not here.');
  const policy: CostPolicy = {
    ...{ backupsPerMonth, storedOnAws, ...size },
    backupsKept: backupsKept(backupsPerMonth, storages, question.keepDays, assumptions),
    parts: 1,
    zones: network.availabilityZones.length,
    endpoints: endpointsOf(settings),
    secrets: new Set([deployment.credentials, deployment.restoreCredentials].filter((arn) => typeof arn === 'string'))
      .size,
  };
  const archive = archiveOf(settings, deployment, question.oplogBytesPerDay, assumptions);
  if (policy.endpoints === 0) {
    assumptions.push(
      'The VPC’s own way to AWS (NAT, endpoints) is not counted. S3 goes through a gateway endpoint, which costs nothing; through a NAT gateway each GB of a backup would cost 0.045 USD.',
    );
  }
  return { policy: { ...policy, ...(archive && { archive }) }, assumptions };
}

function endpointsOf({ network, deployments }: Settings): number {
  if (network?.createEndpoints !== true) return 0;
  const locks = Object.values(deployments).some(({ lock }) => lock === true);
  return endpointServices.length + (locks ? lockEndpointServices.length : 0);
}

function archiveOf(
  settings: Settings,
  { oplogArchive }: DeploymentSettings,
  oplogBytesPerDay: number | undefined,
  assumptions: string[],
): ArchivePolicy | undefined {
  if (oplogArchive?.enabled !== true) return undefined;
  if (oplogBytesPerDay === undefined)
    assumptions.push('The oplog archive is counted as that of an idle set: give what it writes with --oplog-per-day.');
  const storage = settings.storages[oplogArchive.storage];
  return {
    ...{ sets: 1, oplogBytesPerDay: oplogBytesPerDay ?? 0, verify: oplogArchive.verify },
    retentionDays: oplogArchive.retention.days,
    storedOnAws: storage?.type === 's3' && storage.endpoint === undefined,
  };
}

/** @throws InvalidInput */
function sizeOf(
  { name, limits: { bandwidth } }: DeploymentSettings,
  { measured, rawBytes }: CostQuestion,
  assumptions: string[],
): Pick<CostPolicy, 'rawBytes' | 'storedBytes' | 'dumpSeconds'> {
  if (measured !== undefined && measured.rawBytes > 0) {
    const { count, storedBytes, seconds } = measured;
    const share = (rawBytes ?? measured.rawBytes) / measured.rawBytes;
    assumptions.push(
      `Sizes and times are means of ${count === 1 ? 'one backup' : `the last ${count} backups`}${rawBytes === undefined ? '' : ', in proportion to the given size'}.`,
    );
    return { rawBytes: measured.rawBytes * share, storedBytes: storedBytes * share, dumpSeconds: seconds * share };
  }
  if (rawBytes === undefined) {
    throw new HoldfastError('InvalidInput', `nothing tells how large a backup of ${name} is: it has none yet`, {
      next: 'Add --size, such as --size 100GiB: what dbStats calls dataSize, of all databases.',
    });
  }
  const rate = Math.min(bandwidth ?? assumedRate, assumedRate);
  assumptions.push(
    `No backup has been measured: compression leaves ${assumedRatio * 100} %, and a task moves ${Math.round(rate / 2 ** 20)} MiB/s.`,
  );
  return { rawBytes, storedBytes: rawBytes * assumedRatio, dumpSeconds: rawBytes / rate };
}

function runsPerMonth({ schedules = {} }: DeploymentSettings, now: Date, assumptions: string[]): number {
  const monthly = Object.values(schedules).map(({ cron, timezone }) => {
    const runs = nextRuns(cron, timezone, now, countedRuns);
    const year = now.getTime() + 365 * 86_400_000;
    const within = runs.filter((run) => run.getTime() <= year);
    const last = within.at(-1);
    if (last === undefined || within.length < countedRuns) return within.length / 12;
    return (countedRuns / ((last.getTime() - now.getTime()) / 86_400_000)) * daysPerMonth;
  });
  if (monthly.length === 0) assumptions.push('The deployment has no schedules: one backup a day is counted.');
  return monthly.length === 0 ? daysPerMonth : monthly.reduce((sum, runs) => sum + runs, 0);
}

type Storage = Settings['storages'][string];

function storagesOf(settings: Settings, { storage, schedules = {} }: DeploymentSettings): Storage[] {
  const names = new Set(Object.values(schedules).map((schedule) => schedule.storage ?? storage));
  if (names.size === 0) names.add(storage);
  return [...names].flatMap((name) => settings.storages[name] ?? []);
}

function backupsKept(
  backupsPerMonth: number,
  storages: readonly Storage[],
  keepDays: number | undefined,
  assumptions: string[],
): number {
  if (keepDays === undefined) {
    assumptions.push('Nothing deletes backups by itself in this release: the storage holds those of a year.');
    return backupsPerMonth * 12;
  }
  // A bucket of the stack keeps what was deleted for a while, and so does AWS's bill.
  const made = storages.some((storage) => storage.type === 's3' && storage.bucket === undefined);
  const days = keepDays + (made ? oldVersionDays : 0);
  assumptions.push(
    `Backups are deleted after ${keepDays} days${made ? `, and a bucket of the stack keeps what is deleted for ${oldVersionDays} more` : ''}.`,
  );
  return (backupsPerMonth / daysPerMonth) * days;
}
