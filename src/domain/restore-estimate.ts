import * as z from 'zod';
import { HoldfastError } from './errors.ts';
import { type Price, prices, pricesDate, pricesRegion } from './prices.ts';
import { workerLimitSeconds, workerTaskSize } from './stage-sizes.ts';
import { type Initialization, initializationSchema, type TargetVolume } from './volume-target.ts';

/** What a restore with a volume takes, to that or by way of it: time and price, before it is started. Pure: sizes in, items out. */

const itemSchema = z.strictObject({
  item: z.string(),
  quantity: z.number(),
  per: z.string(),
  usdEach: z.number(),
  usd: z.number(),
});
type EstimateItem = z.infer<typeof itemSchema>;

const choiceSchema = z.strictObject({
  initialization: initializationSchema,
  /** Until the task can begin to read. */
  secondsBefore: z.number(),
  /** Until every block is on the volume; null where EBS promises nothing. */
  secondsUntilLoaded: z.number().nullable(),
  usd: z.number(),
  note: z.string(),
});

/** Time and price of a restore with a volume: in its plan, and the answer of a dry run. */
export const restoreEstimateSchema = z.strictObject({
  currency: z.literal('USD'),
  /** Prices are of this region; others differ by up to about a third. */
  region: z.string(),
  /** When the prices were retrieved. */
  pricesDate: z.iso.date(),
  /** Until the volume is ready, or the server whole; null where it can't be told. */
  seconds: z.number().nullable(),
  /** Once, for the restore. */
  usd: z.number(),
  /** For as long as the volume is kept; 0 for one that goes with its task. */
  usdPerMonth: z.number(),
  items: z.array(itemSchema),
  /** Of a snapshot: each way of loading its blocks, the chosen one among them; empty for a new volume. */
  initializations: z.array(choiceSchema),
  assumptions: z.array(z.string()),
});
export type RestoreEstimate = z.infer<typeof restoreEstimateSchema>;

export interface EstimateInput {
  readonly volume: Pick<TargetVolume, 'type' | 'sizeGiB' | 'iops' | 'throughput' | 'initialization' | 'snapshot'>;
  /** Of the files: what is laid, or lies on the snapshot. */
  readonly rawBytes: number;
  /** Of the snapshot: what it really holds, where EBS says it; else its size. */
  readonly snapshotBytes: number;
  /** Of the oplog that is recovered. */
  readonly entries: number;
  /** Whether the files are read then and loaded into a running server; the volume goes with its task. */
  readonly toServer?: boolean;
}

const mib = 2 ** 20;
const gib = 2 ** 30;
const hoursPerMonth = 730;

/** What is assumed where nothing is measured; the assumptions of an estimate say so. */
export const estimateAssumptions = {
  /** MiB/s between a task of this size and its volume, at least (reference: Fargate's limits for EBS by vCPU). */
  taskMibPerSecond: { 2: 75, 4: 120, 8: 250, 16: 500 } as Readonly<Record<number, number>>,
  /** Task and volume: image, mount, stop. */
  startSeconds: 180,
  /** Of the oplog, by the server's own recovery (bench:recover). */
  entriesPerSecond: 50_000,
  /** MiB/s of files that a running server takes, indexes included (bench:restore, on two cores). */
  loadMibPerSecond: 40,
  /** Starts of mongod: append, recover, strip, check. */
  serverSeconds: 60,
  /** Fast snapshot restore: minutes until a TiB is ready, and the hours that are billed at least. */
  fastMinutesPerTib: 60,
  fastLeastHours: 1,
} as const;

const item = (name: string, quantity: number, { usd, per }: Price): EstimateItem => ({
  ...{ item: name, quantity, per, usdEach: usd, usd: quantity * usd },
});

/** EBS can't say how much of a snapshot is read before it is loaded: its own words are "unpredictable". */
const lazyNote =
  'Usable at once; a block is loaded from S3 when it is first read, which makes first reads slow for as long as it takes.';

/** By the size of the snapshot, not by what it holds. */
const fastHours = (sizeGiB: number): number => (sizeGiB / 1024) * (estimateAssumptions.fastMinutesPerTib / 60);
/** A volume is made with everything on it for one credit; they come at 1,024 GiB an hour, ten an hour at most. */
const creditHours = (sizeGiB: number): number => Math.max(1 / 10, sizeGiB / 1024);

function choiceOf(initialization: Initialization, { volume: { sizeGiB }, snapshotBytes }: EstimateInput, work: number) {
  const loaded = snapshotBytes / gib;
  if (initialization === 'lazy')
    return { initialization, secondsBefore: 0, secondsUntilLoaded: null, usd: 0, note: lazyNote };
  if (initialization === 'fast') {
    const secondsBefore = (fastHours(sizeGiB) + creditHours(sizeGiB)) * 3600;
    const hours = secondsBefore / 3600 + work / 3600;
    const usd = Math.max(estimateAssumptions.fastLeastHours, hours) * prices.fastSnapshotRestore.usd;
    const note =
      'Fast snapshot restore of the snapshot in this zone, which you switch on before and off after; everything is loaded before the volume is made.';
    return { initialization, secondsBefore, secondsUntilLoaded: secondsBefore, usd, note };
  }
  const { rate } = initialization;
  const usd = (loaded * prices.provisionedInitialization.usd * rate) / 300;
  const note =
    'Usable at once, loaded at this rate meanwhile; refused by EBS where the region has none left, and paid as soon as the volume is made.';
  return { initialization, secondsBefore: 0, secondsUntilLoaded: snapshotBytes / (rate * mib), usd, note };
}

const same = (a: Initialization, b: Initialization): boolean => JSON.stringify(a) === JSON.stringify(b);

function choicesOf(input: EstimateInput, work: number) {
  const { snapshot, initialization } = input.volume;
  if (snapshot === null) return [];
  const usual: readonly Initialization[] = ['lazy', { rate: 100 }, { rate: 300 }, 'fast'];
  const all = usual.some((one) => same(one, initialization)) ? usual : [...usual, initialization];
  return all.map((one) => choiceOf(one, input, work));
}

/** What the volume costs while it is there. */
function monthly({ type, sizeGiB, iops, throughput }: EstimateInput['volume']): EstimateItem[] {
  if (type === 'io2')
    return [item('EBS io2, storage', sizeGiB, prices.io2Storage), item('EBS io2, IOPS', iops, prices.io2Iops)];
  return [
    item('EBS gp3, storage', sizeGiB, prices.gp3Storage),
    item('EBS gp3, IOPS beyond 3,000', Math.max(0, iops - 3_000), prices.gp3Iops),
    item('EBS gp3, MiB/s beyond 125', Math.max(0, (throughput ?? 0) - 125), prices.gp3Throughput),
  ].filter(({ quantity }) => quantity > 0);
}

/** MiB/s that the files come or go with: the task's own limit, or the volume's. */
function moved({ throughput, iops }: EstimateInput['volume']): number {
  const limits = estimateAssumptions.taskMibPerSecond;
  const task = limits[workerTaskSize.cpu / 1024] ?? limits[2] ?? 1;
  // EBS counts in operations of 256 KiB at most where nothing else is bought.
  return Math.min(task, throughput ?? iops / 4);
}

/** Seconds of the task, but for blocks of a snapshot that it waits for. @param loaded of the files, into a running server */
function workSeconds({ volume, rawBytes, entries, toServer = false }: EstimateInput, loaded = rawBytes): number {
  const { startSeconds, serverSeconds, entriesPerSecond, loadMibPerSecond } = estimateAssumptions;
  // Recovery reads of a snapshot what it needs, not all of it.
  const laid = volume.snapshot === null ? rawBytes / (moved(volume) * mib) : 0;
  // Read as files, and written and read as collections.
  const served = toServer ? (2 * rawBytes) / (moved(volume) * mib) + loaded / (loadMibPerSecond * mib) : 0;
  return startSeconds + serverSeconds + laid + entries / entriesPerSecond + served;
}

/**
 * That a worker can be done before its task is ended: one that can't would fail after two days, its target half-filled.
 * @param selected only some collections are loaded: how much that is, is known when the files are recovered
 * @throws TargetNotSuitable
 */
export function requireTime(input: EstimateInput, selected = false): void {
  const seconds = workSeconds(input, selected ? 0 : input.rawBytes);
  if (seconds <= workerLimitSeconds) return;
  const toVolume = workSeconds({ ...input, toServer: false });
  const volume =
    input.toServer === true && toVolume <= workerLimitSeconds
      ? `Restore it to a volume ("to": "volume"), which takes about ${hoursOf(toVolume)} hours; or restore`
      : 'Restore';
  throw new HoldfastError(
    'TargetNotSuitable',
    `The restore takes about ${hoursOf(seconds)} hours; a worker of the stage has ${hoursOf(workerLimitSeconds)}.`,
    { next: `${volume} it to a directory of a machine that has the room (holdfast restore --to DIRECTORY).` },
  );
}

const hoursOf = (seconds: number): number => Math.ceil(seconds / 3600);

/** What a restore takes until its volume is ready, and what the volume costs from then on. */
export function estimateRestore(input: EstimateInput): RestoreEstimate {
  const { volume, toServer = false } = input;
  const work = workSeconds(input);
  const initializations = choicesOf(input, work);
  const chosen = initializations.find(({ initialization }) => same(initialization, volume.initialization));
  // Every block of a snapshot is read on the way to a server, so that all of them have to be there.
  const busy = Math.max(work, toServer ? (chosen?.secondsUntilLoaded ?? 0) : 0);
  const hours = busy / 3600;
  const { cpu, memoryMiB } = workerTaskSize;
  const items = [
    item('Fargate, vCPU', (hours * cpu) / 1024, prices.fargateVcpu),
    item('Fargate, memory', (hours * memoryMiB) / 1024, prices.fargateMemory),
    ...monthly(volume).map((one) => ({
      ...one,
      quantity: (one.quantity * hours) / hoursPerMonth,
      usd: (one.usd * hours) / hoursPerMonth,
    })),
  ];
  const usd = items.reduce((sum, one) => sum + one.usd, 0) + (chosen?.usd ?? 0);
  return {
    ...{ currency: 'USD', region: pricesRegion, pricesDate },
    // Of blocks that come when they are read nobody knows how long recovery waits for them.
    seconds: chosen?.initialization === 'lazy' ? null : busy + (chosen?.secondsBefore ?? 0),
    usd,
    usdPerMonth: toServer ? 0 : monthly(volume).reduce((sum, one) => sum + one.usd, 0),
    items,
    initializations,
    assumptions: assumptionsOf(input),
  };
}

function assumptionsOf({ volume, toServer = false }: EstimateInput): string[] {
  const { startSeconds, entriesPerSecond, serverSeconds, loadMibPerSecond } = estimateAssumptions;
  return [
    `Prices are of ${pricesRegion}, retrieved ${pricesDate}, without discounts; other regions differ by up to about a third.`,
    `${startSeconds} s for the task to start and stop, ${serverSeconds} s for mongod to start and stop, ${entriesPerSecond} entries of the oplog per second.`,
    `A worker of the stage has ${hoursOf(workerLimitSeconds)} hours: a restore that takes longer fails.`,
    ...(volume.snapshot === null || toServer ? [`${moved(volume)} MiB/s between the task and its volume.`] : []),
    ...(toServer
      ? [`${loadMibPerSecond} MiB/s of files into the target: how fast it really takes them, only the target knows.`]
      : []),
    ...(volume.snapshot !== null && volume.initialization === 'lazy'
      ? ['With lazy loading nobody can tell how long recovery waits for the blocks that it reads.']
      : []),
  ];
}
