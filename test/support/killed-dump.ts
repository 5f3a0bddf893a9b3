import type { Random } from '../../local/demo/random.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import type { Logger } from '../../src/application/ports/logger.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { stateKeys } from '../../src/domain/names.ts';
import type { DumpPartDeps, DumpPartInput } from '../../src/engine/dump/dump-input.ts';
import { dumpPart, type DumpPartResult } from '../../src/engine/dump/dump-part.ts';
import { dyingStore, type Lifetime } from './dying-store.ts';

/** What happened in one attempt. */
export interface Attempt {
  readonly ended: 'killed' | 'failed' | 'completed';
  /** Raw bytes that it read into frames. */
  readonly readBytes: number;
  /** Raw bytes that it did not read, because an attempt before had. */
  readonly savedBytes: number;
  /** Warnings and errors of its log. */
  readonly complaints: readonly string[];
}

export interface AttemptOptions {
  readonly state: ObjectStore;
  readonly attempt: number;
  readonly maxPackBytes?: number;
  /** Without: it lives to its end. */
  readonly life?: Lifetime;
  readonly signal?: AbortSignal;
}

/** One worker of the run: its stores die with it, as they do for a process that is killed. */
export async function attemptDump(
  input: DumpPartInput,
  deps: DumpPartDeps,
  { state, attempt, life, signal, maxPackBytes = 1 }: AttemptOptions,
): Promise<{ readonly report: Attempt; readonly result?: DumpPartResult; readonly error?: unknown }> {
  const complaints: string[] = [];
  const complain = (text: string, fields?: object) => void complaints.push(`${text} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = { debug() {}, info() {}, warn: complain, error: complain };
  const mortal = (store: ObjectStore) => (life ? dyingStore(store, life) : store);
  let savedBytes: number | undefined;
  let report = { readBytes: 0, savedBytes: 0, complaints };
  const onProgress = ({ rawBytes }: { readonly rawBytes: number }) => {
    savedBytes ??= rawBytes;
    report = { readBytes: rawBytes - savedBytes, savedBytes, complaints };
  };
  const checkpoints = { store: mortal(state), prefix: stateKeys.checkpoints(input.runId, input.part) };
  try {
    const own = { ...deps, store: mortal(deps.store), checkpoints, logger, onProgress, ...(signal && { signal }) };
    const result = await dumpPart({ ...input, attempt, maxPackBytes }, own);
    return { report: { ...report, ended: 'completed' }, result };
  } catch (error) {
    const dead = life !== undefined && life.left <= 0;
    return { report: { ...report, ended: dead ? 'killed' : 'failed' }, error };
  }
}

/** A dump whose worker is killed at random calls of its storages, until one lives long enough. */
export function dumpWithKills(random: Random, kills: number, attempts: Attempt[]): typeof dumpPart {
  return async (input, deps) => {
    const state = new MemoryObjectStore();
    for (let attempt = 1; ; attempt += 1) {
      const life = { left: 2 + random.below(120), pace: [random.below(3), 0, random.below(5)] };
      const options = { state, attempt, ...(attempt <= kills && { life }) };
      const { report, result, error } = await attemptDump(input, deps, options);
      attempts.push(report);
      if (result) return result;
      if (report.ended !== 'killed') throw error;
    }
  };
}
