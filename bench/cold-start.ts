/**
 * `npm run bench:cold-start`: the bundle of every function, as `cdk deploy` makes it: its size, and how long a fresh
 * process takes to import it, beside an empty module in the same rounds. Ends with 1 when a goal is missed.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleFunctions } from '../lib/functions/bundle-functions.ts';
import type { StageVariables } from '../lib/functions/stage-functions.ts';
import { median } from './measure.ts';

const goals = { bytes: 2_000_000, milliseconds: 400 };
const baseline = 'an empty module (baseline)';

const arn = 'arn:aws:ecs:us-east-1:111122223333:cluster/bench';
/** What functions are told; nothing of it is looked at before the first call. */
const variables: StageVariables = {
  STAGE: 'test',
  VPC_ID: 'vpc-0',
  STATE_BUCKET: 'state',
  CONFIG_URI: 's3://config/config.json',
  STORAGE_BUCKETS: '',
  BACKUP_MACHINE_ARN: 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-test-backup',
  RESTORE_MACHINE_ARN: 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-test-restore',
  STATE_MACHINE_ARNS: arn,
  CLUSTER_ARN: arn,
  TASK_DEFINITION_ARN: arn,
  LOCK_SCHEDULE_GROUP: '',
  LOCK_SCHEDULE_ROLE_ARN: '',
  ENSURE_UNLOCKED_ARN: '',
  VOLUME_TASK_DEFINITIONS: '',
  INFRASTRUCTURE_ROLE_ARN: '',
  SUBNET_IDS: 'subnet-0',
  SECURITY_GROUP_IDS: 'sg-0',
};
const environment = { ...variables, AWS_REGION: 'us-east-1', PATH: process.env['PATH'] };

/** Milliseconds. */
interface ImportTime {
  readonly wall: number;
  readonly cpu: number;
}

function importTime(file: string): ImportTime {
  const script = join(import.meta.dirname, 'import-time.mjs');
  return JSON.parse(
    execFileSync(process.execPath, [script, file], { env: environment, encoding: 'utf8' }),
  ) as ImportTime;
}

const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '7');
const folder = mkdtempSync(join(tmpdir(), 'holdfast-cold-start-'));
try {
  const empty = join(folder, 'empty.mjs');
  writeFileSync(empty, 'export const handler = undefined;\n');
  const bundles = Object.entries(bundleFunctions(folder)).map(([name, of]) => [name, join(of, 'index.mjs')] as const);
  const files = new Map([[baseline, empty], ...bundles]);
  const times = new Map<string, ImportTime[]>([...files.keys()].map((name) => [name, []]));
  // The first round only brings the files into the page cache.
  for (let run = 0; run <= runs; run++) {
    for (const [name, file] of files) {
      const time = importTime(file);
      if (run > 0) times.get(name)?.push(time);
    }
  }
  const rows = [...files].map(([name, file]) => {
    const [bytes, measured] = [statSync(file).size, times.get(name) ?? []];
    const [wall, cpu] = [median(measured.map((time) => time.wall)), median(measured.map((time) => time.cpu))];
    return {
      function: name,
      'size kB': Math.round(bytes / 1e3),
      'init ms': Math.round(wall),
      'of CPU': Math.round(cpu),
      goals: bytes <= goals.bytes && wall <= goals.milliseconds,
    };
  });
  console.log(`init: median of ${runs} fresh processes on Node ${process.version}, in turn`);
  console.table(rows.map((row) => ({ ...row, goals: row.goals ? 'reached' : 'MISSED' })));
  // On a crowded machine the clock counts the work of others; what was used of the CPU is ours alone.
  console.log(
    `goals: at most ${goals.bytes / 1e3} kB and ${goals.milliseconds} ms; load average ${loadavg()[0]?.toFixed(1) ?? ''}`,
  );
  if (rows.some((row) => !row.goals)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
