import { readFileSync } from 'node:fs';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { chooseRestore } from '../../src/application/choose-restore.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { checkArchive } from '../../src/application/use-cases/check-archive.ts';
import { describeBackup } from '../../src/application/use-cases/describe-backup.ts';
import { listBackups } from '../../src/application/use-cases/list-backups.ts';
import { pruneArchive } from '../../src/application/use-cases/prune-archive.ts';
import { showRecoveryWindow } from '../../src/application/use-cases/show-recovery-window.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { archivePrefix, makeArchivedWorld, opTimeAt } from './archived-world.ts';
import { makingOf } from './making-of.ts';
import { seal } from './seal.ts';
import { yearOfSlices } from './year-of-slices.ts';

/**
 * One of the operations of a stage on the archive of a busy set, a slice a minute, with a backup a day, in a process of its own:
 * `<operation> <days> <latency>`. Prints what it asked for and cost as one line of JSON. Of the CPU seconds `making` went to the
 * archive itself, which is made as it is asked for: as many as it takes to ask for the same once more, and to do nothing with it.
 */
const [operation = '', days = '365', latency = '0'] = process.argv.slice(2);
const daySeconds = 86_400;
const start = 1_795_000_020;
const count = Number(days) * 1440;
const world = makeArchivedWorld();
// Everything in one bucket, as a stage has it.
const year = yearOfSlices(world.far, { start, count, unindexed: 1440, latency: Number(latency) });

/** As a run a day leaves it: its manifest, and some of its objects. */
async function addBackups(): Promise<string> {
  const made = new MemoryObjectStore();
  const id = await world.addBackup(1, 1, 1, made, start);
  const { body } = await made.get(artifactKeys.manifest('orders', id));
  let last = '';
  for (let day = 0; day < Number(days); day += 1) {
    const at = start + day * daySeconds;
    last = `${new Date(at * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-logical-hand`;
    const text = body.toString().replaceAll(id, last).replaceAll(`"t":${start}`, `"t":${at}`);
    const manifest = Buffer.from(JSON.stringify(seal(JSON.parse(text) as Manifest)));
    await world.far.put(artifactKeys.manifest('orders', last), manifest);
  }
  return last;
}

const lastBackup = await addBackups();
const end = { t: year.end, i: 1 };
const key = artifactKeys.slice(archivePrefix, { t: year.end - 60, i: 1 });
await world.note({
  last: { key, from: opTimeAt(year.end - 60, 1), to: { ts: end, t: 1 } },
  checkedTo: { ts: end, t: 1 },
});
await world.clock.advance((year.end + 30) * 1000 - world.clock.now().getTime());
const making = makingOf(year.store);
const { orders } = world.deps.settings.deployments;
const { far } = world.deps.settings.storages;
if (!orders?.oplogArchive || !far) throw new TypeError('the world has no such deployment');
const oplogArchive = { ...orders.oplogArchive, verify: 'sample' as const };
const deps = {
  ...world.deps,
  settings: {
    ...world.deps.settings,
    storages: { far },
    deployments: { orders: { ...orders, storage: 'far', oplogArchive } },
  },
  openStorage: (): ObjectStore => making.store,
  events: { publish: () => Promise.resolve() },
};

const middle = `${start + Math.floor(count / 2) * 60}:1`;
const operations: Readonly<Record<string, () => Promise<unknown>>> = {
  nothing: () => Promise.resolve(),
  window: () => showRecoveryWindow({ deployment: 'orders' }, deps),
  'window-at': () => showRecoveryWindow({ deployment: 'orders', at: middle }, deps),
  restore: () => chooseRestore({ backup: 'orders', to: 'mongodb://t', at: middle }, new Set(['logical']), deps),
  'restore-latest': () =>
    chooseRestore({ backup: 'orders', to: 'mongodb://t', at: 'latest' }, new Set(['logical']), deps),
  list: () => listBackups({ deployment: 'orders' }, deps),
  'list-all': () => listBackups({}, deps),
  describe: () => describeBackup(lastBackup, deps),
  'prune-dry': () => pruneArchive({ dryRun: true }, deps),
  prune: () => pruneArchive({ dryRun: false }, deps),
  check: () => checkArchive({ deployment: 'orders', seconds: 720, now: true }, deps),
};
const cpuSince = (before?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};
const before = { cpu: process.cpuUsage(), at: performance.now(), requests: year.requests() };
const result = await operations[operation]?.();
const seconds = (performance.now() - before.at) / 1000;
const cpuSeconds = cpuSince(before.cpu);
const requests = year.requests() - before.requests;
const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const again = process.cpuUsage();
await making.again();
const makingCpuSeconds = cpuSince(again);
console.log(
  JSON.stringify({
    ...{ operation, seconds, cpuSeconds, makingCpuSeconds, requests, peakMiB },
    result: JSON.stringify(result ?? null).slice(0, 4000),
  }),
);
