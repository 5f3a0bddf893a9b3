import { PassThrough } from 'node:stream';
import type { CliEnvironment } from '../../../cli/environment.ts';
import type {
  BackupSummary,
  HoldfastClient,
  PrunedArchive,
  RecoveryWindowReport,
  RunStatus,
} from '../../../src/application/ports/holdfast-client.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import type { Progress } from '../../../src/domain/run.ts';
import { runCli } from '../../../cli/run-cli.ts';

const digest = 'ab'.repeat(32);
export const backupId = '20261122T101530Z-logical-k3f9';
const opTime = { ts: { t: 1_795_342_530, i: 7 }, t: 3 };

export function makeProgress(over: Partial<Progress> = {}): Progress {
  return {
    ...{ schemaVersion: 1, part: 'rs0', phase: 'dump', documents: 1_234_567, rawBytes: 3 << 28, storedBytes: 1 << 27 },
    ...{ totalBytes: 1 << 30, bytesPerSecond: 100 << 20, etaSeconds: 2.5, updatedAt: '2026-11-22T10:15:31.000Z' },
    ...over,
  };
}

export function makeRun(over: Partial<RunStatus> = {}): RunStatus {
  return {
    ...{ runId: 'run-1', workflow: 'backup', deployment: 'orders', startedAt: '2026-11-22T10:15:30.000Z' },
    ...{ endedAt: '2026-11-22T10:16:35.000Z', status: 'succeeded', state: 'Publish Outcome', progress: [] },
    ...{ output: { backupId }, error: null },
    ...over,
  };
}

export function makeSummary(over: Partial<BackupSummary> = {}): BackupSummary {
  return {
    ...{ backupId, deployment: 'orders', storage: 'laptop', method: 'logical', restoreTime: opTime.ts },
    ...{ createdAt: '2026-11-22T10:15:30.000Z', finishedAt: '2026-11-22T10:16:30.000Z', storedBytes: 1 << 20 },
    ...{ rawBytes: 5 << 20, documents: 12_345, warnings: 0 },
    ...over,
  };
}

export function makeManifest(over: Partial<Manifest> = {}): Manifest {
  const namespace = { ns: 'shop.orders', type: 'collection' as const, uuid: null };
  const base: Manifest['parts'][number]['base'] = {
    ...{ schemaVersion: 1, method: 'logical', attempt: 1, member: 'localhost:27020', codec: 'zstd' },
    index: { key: 'index', size: 1, crc32: '00000000', sha256: digest },
    packs: [],
    namespaces: [
      { ...namespace, documents: 12_345, rawBytes: 5 << 20, indexes: ['_id_', 'customer_1'] },
      { ...namespace, ns: 'shop.open', type: 'view', documents: null, rawBytes: null, indexes: [] },
    ],
    ...{ documents: 12_345, rawBytes: 5 << 20, storedBytes: 1 << 20, captureFrom: opTime, applyFrom: opTime },
    ...{ startedAt: '2026-11-22T10:15:30.000Z', finishedAt: '2026-11-22T10:15:40.000Z' },
  };
  const topology: Manifest['parts'][number]['topology'] = {
    ...{ name: 'rs0', role: 'replicaSet', replicaSet: 'rs0', replicaSetId: null, term: 3, configVersion: 1 },
    ...{ majorityVoteCount: 2, writeMajorityCount: 2, majorityOpTime: opTime, members: [] },
  };
  return {
    ...{ schemaVersion: 1, backupId, deployment: 'orders', kind: 'replicaSet', method: 'logical' },
    ...{ methodReason: 'the default', storage: 'laptop', run: 'run-1', fence: 1, requestedBy: 'cli:ada' },
    ...{ labels: { ticket: '42' }, createdAt: '2026-11-22T10:15:30.000Z', finishedAt: '2026-11-22T10:16:30.000Z' },
    ...{ restoreTime: opTime.ts, restoreTimeWall: '2026-11-22T10:15:30.000Z', serverVersion: '6.0.5' },
    ...{ featureCompatibilityVersion: '6.0', toolVersion: '0.1.0', usersAndRoles: true, warnings: [] },
    totals: { namespaces: 2, documents: 12_345, rawBytes: 5 << 20, storedBytes: 1 << 20, oplogEntries: 9, seconds: 60 },
    parts: [
      {
        ...{ name: 'rs0', topology, member: 'localhost:27020', memberReason: 'hidden', base, point: opTime },
        memberVerdicts: [{ host: 'localhost:27017', eligible: false, reason: 'it is the primary' }],
        oplog: { from: opTime, to: opTime, slices: [] },
      },
    ],
    sha256: digest,
    ...over,
  };
}

export function makeWindow(over: Partial<RecoveryWindowReport['replicaSets'][number]> = {}): RecoveryWindowReport {
  const { t } = opTime.ts;
  const gap = { reason: 'rolledOver', foundAt: '2026-11-22T10:00:00.000Z', explanation: 'h:1 begins at 7:1' };
  const [after, before] = [
    { t: t - 600, i: 1 },
    { t: t - 500, i: 1 },
  ];
  return {
    ...{ deployment: 'orders', now: '2026-11-22T10:16:30.000Z' },
    replicaSets: [
      {
        ...{
          replicaSet: 'rs0',
          replicaSetId: '0123456789abcdef01234567',
          backups: 2,
          slices: 12,
          archivedBytes: 5 << 20,
          unreadable: [],
        },
        ranges: [
          { from: { t: t - 3600, i: 2 }, to: after },
          { from: { t: t - 60, i: 5 }, to: opTime.ts },
        ],
        holes: [
          {
            from: after,
            to: { t: t - 60, i: 5 },
            reason: 'the oplog had forgotten',
            gaps: [{ ...gap, after, before }],
          },
        ],
        ...{ latest: opTime.ts, rpoSeconds: 60 },
        ...over,
      },
    ],
  };
}

export function makePruned(over: Partial<PrunedArchive> = {}): PrunedArchive {
  return {
    ...{ deployment: 'orders', replicaSet: 'rs0', replicaSetId: '0123456789abcdef01234567', storage: 'laptop' },
    ...{ promisedFrom: { t: opTime.ts.t - 86_400, i: 0 }, slices: 3, bytes: 3 << 20, kept: 9 },
    ...{ upTo: { t: opTime.ts.t - 90_000, i: 2 } },
    ...over,
  };
}

/** The product as a script: what it was asked, and answers that tests replace. */
export function fakeClient(over: Partial<HoldfastClient> = {}): HoldfastClient & { readonly asked: unknown[][] } {
  const asked: unknown[][] = [];
  const answer =
    <Result>(name: string, result: Result) =>
    (...given: unknown[]): Promise<Result> => {
      asked.push([name, ...given]);
      return Promise.resolve(result);
    };
  return {
    asked,
    startBackup: answer('startBackup', { runId: 'run-1' }),
    startRestore: answer('startRestore', { runId: 'run-1' }),
    waitForRun: (runId) => answer('waitForRun', makeRun())(runId),
    listBackups: answer('listBackups', [makeSummary()]),
    describeBackup: answer('describeBackup', makeManifest()),
    recoveryWindow: answer('recoveryWindow', makeWindow()),
    prune: answer('prune', [makePruned()]),
    status: answer('status', [makeRun()]),
    cancel: answer('cancel', undefined),
    retry: answer('retry', { runId: 'run-1', workflow: 'backup' as const }),
    close: answer('close', undefined),
    ...over,
  };
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code of an immediate leave. */
  readonly left: number | undefined;
}

export type EnvironmentOverrides = Partial<CliEnvironment> & {
  readonly client?: HoldfastClient;
  readonly tty?: boolean;
};

/** Runs one command line in this process. */
export async function runFake(argv: readonly string[], over: EnvironmentOverrides = {}): Promise<CliResult> {
  const out: string[] = [];
  const stderr = Object.assign(new PassThrough(), over.tty === true ? { isTTY: true, columns: 120 } : {});
  const err: string[] = [];
  stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()));
  let left: number | undefined;
  const code = await runCli({
    argv,
    env: { USER: 'ada' },
    stdout: { write: (text) => out.push(text) },
    stderr,
    interactive: false,
    timeZone: 'UTC',
    now: () => new Date('2026-11-22T12:00:00Z'),
    openClient: () => Promise.resolve(over.client ?? fakeClient()),
    checkConfig: () => Promise.resolve({ ok: true, storages: [], deployments: [], notChecked: [] }),
    ask: () => Promise.reject(new Error('nobody was to be asked')),
    onInterrupt: () => () => undefined,
    leave: (exitCode) => {
      left = exitCode;
    },
    ...over,
  });
  stderr.end();
  await new Promise((resolve) => stderr.once('close', resolve).resume());
  return { code, stdout: out.join(''), stderr: err.join(''), left };
}
