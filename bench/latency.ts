/**
 * `npm run bench:latency`: what an application notices of a backup. It writes with w:1, with w:majority and reads, at a fixed
 * rate, on a primary and a secondary; the hidden member beside them, on the same machine and disk, is backed up by
 * collections, by files under a lock, or not at all: in turn, medians of the runs' percentiles, and their ratios.
 * HOLDFAST_BENCH_SCALE (1 = 1.85 GB, default 0.3), HOLDFAST_BENCH_RUNS (default 3).
 */
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openEmbedded } from '../local/embedded.ts';
import { type ReplicaSetServers, startReplicaSet } from '../local/servers/replica-set.ts';
import type { HoldfastClient } from '../src/application/ports/holdfast-client.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { isPhysicalPart } from '../src/domain/manifest-parts.ts';
import type { Method } from '../src/domain/manifest.ts';
import { settingsSchema } from '../src/domain/settings.ts';
import { fillDataSet, sizeAt } from './data-set.ts';
import { median } from './measure.ts';
import { emptyFolder } from './source-server.ts';

/** Milliseconds. */
interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly count: number;
}
interface Run {
  readonly seconds: number;
  readonly lockSeconds: number;
  readonly latencies: Readonly<Record<string, Figures>>;
}

const variants = ['no backup', 'logical', 'physical'] as const;
/** How long nobody backs up: about as long as a backup takes. */
const quietMs = 15_000;

const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '3');
const size = sizeAt(Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.3'));
const folder = await emptyFolder('latency');
const set = await startReplicaSet({
  directory: join(folder, 'set'),
  members: [{}, {}, { hidden: true, votes: 0 }],
  oplogSizeMb: 990,
});

function openProduct({ uri, hidden }: ReplicaSetServers): Promise<HoldfastClient> {
  const settings = settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'bench', stateDir: join(folder, 'state') },
    storages: { disk: { name: 'disk', type: 'directory', path: join(folder, 'artifacts') } },
    deployments: {
      bench: {
        ...{ name: 'bench', uri, storage: 'disk', member: { maxLagSeconds: 60 }, compression: {} },
        ...{ limits: { parallel: 2 }, lock: true, volumes: { [hidden.host]: hidden.dbPath } },
      },
    },
  });
  return openEmbedded({ settings });
}

/** What the one before left to do is no part of the next: the locked member catches up, the disk writes what it was given. */
async function settled(): Promise<void> {
  await set
    .client()
    .db('application')
    .collection('settled')
    .insertOne({}, { writeConcern: { w: 3 } });
  spawnSync('sync');
}

/** @returns seconds for which the member was locked; 0 when it was not */
async function backUp(client: HoldfastClient, method: Method): Promise<number> {
  const { runId } = await client.startBackup({ deployment: 'bench', method, requestedBy: 'bench' });
  const { status, error } = await client.waitForRun(runId);
  if (status !== 'succeeded') throw new HoldfastError('Internal', error?.message ?? `the run ended as ${status}`);
  const [newest] = await client.listBackups({});
  const [part] = (await client.describeBackup(newest?.backupId ?? '')).parts;
  return part && isPhysicalPart(part) ? (part.base.snapshot.lockSeconds ?? 0) : 0;
}

try {
  await fillDataSet(set.client(), size, (line) => {
    console.log(`making ${line}`);
  });
  const client = await openProduct(set);
  const application = fork(join(import.meta.dirname, 'latency-run.ts'), [set.uri]);
  const ended = once(application, 'exit');
  await once(application, 'message');
  const results = new Map<string, Run[]>();
  try {
    // The first round only warms caches and code.
    for (let run = 0; run <= runs; run++)
      for (const variant of variants) {
        await settled();
        application.send('begin');
        const start = performance.now();
        const lockSeconds = variant === 'no backup' ? await delay(quietMs, 0) : await backUp(client, variant);
        const seconds = (performance.now() - start) / 1000;
        application.send('end');
        const [latencies] = (await once(application, 'message')) as [Run['latencies']];
        if (run > 0) results.set(variant, [...(results.get(variant) ?? []), { seconds, lockSeconds, latencies }]);
      }
  } finally {
    application.disconnect();
    await ended;
    await client.close();
  }
  report(results);
} finally {
  await set.stop();
  await rm(folder, { recursive: true, force: true });
}

function report(results: ReadonlyMap<string, readonly Run[]>): void {
  const of = (variant: string, pick: (run: Run) => number): number => median((results.get(variant) ?? []).map(pick));
  const kinds = Object.keys(results.get('no backup')?.[0]?.latencies ?? {});
  for (const kind of kinds) {
    const rows = variants.map((variant) => {
      const figure = (name: keyof Figures) => (run: Run) => run.latencies[kind]?.[name] ?? NaN;
      const row = (name: keyof Figures) => of(variant, figure(name));
      const ratio = (name: keyof Figures) => (row(name) / of('no backup', figure(name))).toFixed(2);
      return {
        variant,
        ...{ 'p50 ms': row('p50').toFixed(2), 'p99 ms': row('p99').toFixed(2), 'longest ms': row('most').toFixed(0) },
        ...{ 'p50, ratio': ratio('p50'), 'p99, ratio': ratio('p99'), operations: row('count') },
      };
    });
    console.log(kind);
    console.table(rows);
  }
  for (const variant of variants)
    console.log(
      `${variant}: ${of(variant, ({ seconds }) => seconds).toFixed(1)} s, the hidden member locked for ${of(variant, ({ lockSeconds }) => lockSeconds).toFixed(1)} s`,
    );
}
