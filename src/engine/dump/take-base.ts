import type { CheckpointBase } from '../../domain/checkpoint.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { OplogCapture } from '../oplog/capture.ts';
import { ByteBudget } from '../packs/byte-budget.ts';
import { frameCompressor } from '../packs/frame-compressor.ts';
import { FrameWriter } from '../packs/frame-writer.ts';
import { isWorthKeeping, keepWhatIsRead, storingUntil } from '../packs/keep-what-is-read.ts';
import { PackWriter, type WrittenPack } from '../packs/pack-writer.ts';
import { readMemberState, type Source } from '../source/member-state.ts';
import type { BegunBase } from './begin-base.ts';
import type { DumpPartDeps, DumpPartInput } from './dump-input.ts';
import { type DumpedNamespace, dumpNamespaces } from './dump-namespaces.ts';
import { runTogether } from './run-together.ts';

/** Raw bytes between the reply and the storage: a few frames, or two documents of the greatest size. */
const inFlightBytes = 32 * 1024 * 1024;
const captureEveryMilliseconds = 1000;
/** A slice that does not fill is written after this time, so that a lost worker has lost little. */
const sliceEveryMilliseconds = 30_000;

export interface TakenBase {
  readonly namespaces: DumpedNamespace[];
  /** That hold a frame of the base. */
  readonly packs: WrittenPack[];
  /** Whether a collection of the catalog was dropped before it was read. */
  readonly leftOut: boolean;
}

/** Reads all collections, while the oplog is captured beside. The first failure of either ends both. */
export async function takeBase(
  input: DumpPartInput,
  deps: DumpPartDeps,
  source: Source,
  begun: BegunBase,
): Promise<TakenBase> {
  const ended = new AbortController();
  let result: TakenBase | undefined;
  await runTogether(source.signal, [
    async (signal) => {
      result = await dumpIntoPacks(input, deps, { ...source, signal }, begun);
      ended.abort();
    },
    (signal) => captureUntil(ended.signal, input, deps, begun.capture, { ...source, signal }),
    async (signal) => deps.brake?.watch(ended.signal, { ...source, signal }),
  ]);
  if (!result) throw new HoldfastError('Internal', 'The dump ended without a result.');
  return result;
}

async function captureUntil(
  ended: AbortSignal,
  input: DumpPartInput,
  deps: DumpPartDeps,
  capture: OplogCapture,
  source: Source,
): Promise<void> {
  let written = deps.clock.now().getTime();
  while (!ended.aborted) {
    const { majority } = await readMemberState(source, input.replicaSet);
    const due = deps.clock.now().getTime() - written >= sliceEveryMilliseconds;
    if (due) written = deps.clock.now().getTime();
    await capture.advance(majority, due, source.signal);
    await deps.clock.sleep(captureEveryMilliseconds, AbortSignal.any([ended, source.signal])).catch(() => undefined);
    source.signal.throwIfAborted();
  }
}

async function dumpIntoPacks(
  input: DumpPartInput,
  deps: DumpPartDeps,
  source: Source,
  begun: BegunBase,
): Promise<TakenBase> {
  const { store, checkFence } = deps;
  const { codec, partPrefix, attempt, maxPackBytes } = input;
  const { saved, checkpoint } = begun;
  const storing = storingUntil(source.signal, checkpoint !== undefined, deps.clock);
  const packs = new PackWriter({
    ...{ store, partPrefix, attempt, signal: storing.signal, checkFence },
    ...(maxPackBytes !== undefined && { maxBytes: maxPackBytes }),
    onStored: (pack) => checkpoint?.packStored(pack),
  });
  const budget = new ByteBudget(inFlightBytes);
  const compress = frameCompressor(codec, input.level);
  const counters = { documents: 0, rawBytes: 0, collections: 0 };
  const savedBytes = [...(saved?.packs.values() ?? [])].reduce((sum, { size }) => sum + size, 0);
  let totalBytes: number | null = null;
  let leftOut = false;
  const report = (): void => {
    deps.onProgress({ phase: 'dump', ...counters, storedBytes: savedBytes + packs.storedBytes, totalBytes });
  };
  try {
    const namespaces = await dumpNamespaces({
      ...{ source, parallel: input.parallel, counters, saved, checkpoint },
      newFrameWriter: (onFailure) => new FrameWriter({ compress, packs, budget, onFailure, onFrame: report }),
      onListed: async (catalog) => checkpoint?.begin(describeBase(input, begun), catalog),
      onTotal: (bytes) => {
        totalBytes = bytes;
        report();
      },
      onCollection: report,
      onLeftOut: () => {
        leftOut = true;
      },
    });
    const stored = [...(saved?.packs.values() ?? []), ...(await packs.finish())];
    await checkpoint?.flush();
    return { namespaces, packs: usedPacks(stored, namespaces), leftOut };
  } catch (error) {
    if (checkpoint && isWorthKeeping(error)) await keepWhatIsRead({ budget, packs, checkpoint, storing }, deps);
    await packs.abort(error);
    throw error;
  } finally {
    storing.abort();
  }
}

function describeBase(input: DumpPartInput, { identity, applyFrom, startedAt, capture }: BegunBase): CheckpointBase {
  const { backupId, part, codec, member, replicaSetId } = input;
  const facts = { identity, captureFrom: capture.from, applyFrom, startedAt };
  return { kind: 'base', backupId, part, codec, member, replicaSetId, ...facts };
}

/** Of an earlier attempt, or of scans that were interrupted, packs may be left without a frame that counts. */
function usedPacks(packs: readonly WrittenPack[], namespaces: readonly DumpedNamespace[]): WrittenPack[] {
  const used = new Set<string>();
  for (const { collection } of namespaces) collection?.frames.addPacksTo(used);
  return packs.filter(({ name }) => used.has(name));
}
