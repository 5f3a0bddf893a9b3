import { type MongoClient, MongoServerError } from 'mongodb';
import { makeRandom, type Random } from '../../../local/demo/random.ts';
import { accessOperations } from './access.ts';
import { definitionOperations } from './definitions.ts';
import { documentOperations } from './documents.ts';
import { namespaceOperations } from './namespaces.ts';
import type { Maker, Operation, World } from './operation.ts';
import { specialOperations } from './special-collections.ts';
import { largeTransaction, transactionOperations } from './transactions.ts';

type Weighted = readonly (readonly [Maker, number])[];

const groups: readonly Weighted[] = [
  documentOperations,
  transactionOperations,
  namespaceOperations,
  definitionOperations,
  specialOperations,
  accessOperations,
];

/** Of these an operation is not to blame, and the set is not what the test wants it to be. */
const fatalCodes = new Set([13, 18, 91, 189, 10107, 11600, 11602]);
const ringSize = 2000;

/** Every seed has its own taste: a group is rare, usual or frequent. */
function tasteOf(seed: number): { readonly makers: readonly Maker[]; readonly draw: (random: Random) => Maker } {
  const random = makeRandom(seed * 7919);
  const weighted = groups.flatMap((group) => {
    const factor = random.pick([1, 3, 3, 8]);
    return group.map(([maker, weight]) => [maker, weight * factor] as const);
  });
  const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  const draw = (from: Random): Maker => {
    let at = from.below(total);
    for (const [maker, weight] of weighted) if ((at -= weight) < 0) return maker;
    return largeTransaction;
  };
  return { makers: weighted.map(([maker]) => maker), draw };
}

/** Waits for others' progress: resolves when a number of operations have ended. */
class Progress {
  done = 0;
  #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  step(): void {
    this.done += 1;
    const ready = this.#waiting.filter(({ at }) => at <= this.done);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.done);
    for (const { resolve } of ready) resolve();
  }

  after(operations: number, limitMs: number): Promise<void> {
    if (operations <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      const ended = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.push({ at: this.done + operations, resolve: ended });
    });
  }

  release(): void {
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }
}

export interface WorkloadOptions {
  readonly seed: number;
  /** What happens at the same time. */
  readonly lanes: number;
}

/** A workload under way. Operation `n` of a lane is the same for the same seed; how lanes interleave is not. */
export class Workload {
  readonly #world: World;
  readonly #options: WorkloadOptions;
  readonly #progress = new Progress();
  readonly #held: Promise<void>[] = [];
  readonly #ring: string[] = [];
  readonly #lanes: Promise<void>[];
  readonly #draw: (random: Random) => Maker;
  #stopping = false;
  #failure: { readonly error: unknown } | undefined;
  /** How often an operation of each kind succeeded. */
  readonly succeeded = new Map<string, number>();

  constructor(client: MongoClient, options: WorkloadOptions) {
    this.#options = options;
    this.#draw = tasteOf(options.seed).draw;
    this.#world = {
      client,
      after: (operations, limitMs) => this.#progress.after(operations, limitMs),
      hold: (work) => {
        const held = work().catch((error: unknown) => {
          this.#note(`held: ${String(error)}`);
          this.#judge(error);
        });
        this.#held.push(held);
      },
    };
    this.#lanes = Array.from({ length: options.lanes }, (_, lane) => this.#run(lane));
  }

  get operations(): number {
    return this.#progress.done;
  }

  /** Resolves when so many more operations have ended, or after the time. @throws what ended the workload */
  async after(operations: number, limitMs = 5000): Promise<void> {
    await this.#progress.after(this.#stopping ? 0 : operations, limitMs);
    this.#check();
  }

  /** Ends it, and what it holds open. @throws what no operation may end with */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#lanes);
    this.#progress.release();
    await Promise.all(this.#held);
    this.#check();
  }

  /** The last operations, those that name one of the texts only when given. */
  log(naming: readonly string[] = []): string[] {
    return this.#ring.filter((line) => naming.length === 0 || naming.some((text) => line.includes(text)));
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #run(lane: number): Promise<void> {
    for (let n = 0; !this.#stopping; n += 1) {
      const random = makeRandom(this.#options.seed * 1_000_003 + lane * 10_007 + n * 101);
      // The slowest of all: once, and not in every seed.
      const large = this.#options.seed % 3 === 0 && lane === 0 && n === 20;
      const maker = large ? largeTransaction : this.#draw(random);
      await this.#perform(`${lane}.${n}`, maker(this.#world, random));
    }
  }

  async #perform(id: string, operation: Operation): Promise<void> {
    const { kind, detail } = operation;
    try {
      await operation.run();
      this.succeeded.set(kind, (this.succeeded.get(kind) ?? 0) + 1);
      this.#note(`${id} ${kind} ${detail}`);
    } catch (error) {
      this.#note(`${id} ${kind} ${detail}: ${error instanceof Error ? error.message.slice(0, 150) : String(error)}`);
      this.#judge(error);
    }
    this.#progress.step();
  }

  /** The server may refuse what another lane made impossible; anything else is not in the plan. */
  #judge(error: unknown): void {
    const refused = error instanceof MongoServerError && !fatalCodes.has(Number(error.code));
    if (refused) return;
    this.#failure ??= { error };
    this.#stopping = true;
  }

  #note(line: string): void {
    this.#ring.push(`${(Date.now() / 1000).toFixed(3)} ${line}`);
    if (this.#ring.length > ringSize) this.#ring.shift();
  }
}
