import * as z from 'zod';
import { isLedOver } from './archive-segments.ts';
import type { OplogGap, SliceSpan } from './oplog-archive.ts';
import { compareTimestamps, type OpTime, opTimeSchema, sameOpTime, type Timestamp } from './timestamp.ts';

/**
 * How far the check of an archive is: `archives/<deployment>/<set>-<id>.check.json` of the state storage. A round looks at
 * every slice, in as many turns as it takes.
 */
export const archiveCheckSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Of the archive; given another storage, it is another one to check. */
  storage: z.string(),
  /** The first entry that the archive holds: whoever deletes slices on purpose moves it before. Left out while unknown. */
  begins: opTimeSchema.optional(),
  /** Left out while none is under way. */
  round: z
    .strictObject({
      /** The last slice that was looked at. */
      at: z.string(),
      /** With which entry the chain ends there. */
      end: opTimeSchema,
      /** From the one to the other the slices lead on that were looked at last; left out by versions before. */
      chain: z.strictObject({ from: opTimeSchema, to: opTimeSchema }).optional(),
    })
    .optional(),
  /** Of the last round, by the clock of who checked. */
  finishedAt: z.iso.datetime().optional(),
});
export type ArchiveCheck = z.infer<typeof archiveCheckSchema>;

/** With which entry an archive begins, said by one more: it begins later than it did, never earlier (leftovers of who died while deleting). */
export function laterBegin(known: OpTime | undefined, said: OpTime): OpTime {
  return known && compareTimestamps(known.ts, said.ts) > 0 ? known : said;
}

const dayMs = 24 * 60 * 60_000;

/** Whether a turn has something to do: a round is under way, or the last one was over a day ago. */
export function isCheckDue(check: ArchiveCheck | undefined, now: Date): boolean {
  if (check?.round !== undefined || check?.finishedAt === undefined) return true;
  return Math.abs(now.getTime() - Date.parse(check.finishedAt)) >= dayMs;
}

/** Entries that the archive held, or should hold, and that no gap tells of. */
export interface ArchiveLoss {
  readonly after: OpTime;
  readonly before: OpTime;
  /** Slices that are there and of no use. */
  readonly damaged: readonly string[];
}

/** A slice that exists and can't be used. */
export interface DamagedSlice {
  readonly key: string;
  /** Of its first entry, by its name. */
  readonly from: Timestamp;
  /** Its last entry, where its header can be read. */
  readonly to?: OpTime | undefined;
}

/**
 * Goes along an archive in the order of its slices, and finds where it does not go on although no gap was recorded. Of two
 * chains that overlap the one that reaches further counts.
 */
export class ChainCheck {
  readonly #gaps: readonly OplogGap[];
  readonly #ledOver = new Set<OplogGap>();
  /** From the one to the other slices lead on that were added one after the other. */
  #chain: Pick<SliceSpan, 'from' | 'to'> | undefined;
  #end: OpTime | undefined;
  #damaged: DamagedSlice[] = [];

  /**
   * @param end where the chain that goes before ends, or with which entry the archive must begin; undefined: not known
   * @param chain of who went along the slices before
   */
  constructor(gaps: readonly OplogGap[], end: OpTime | undefined, chain?: Pick<SliceSpan, 'from' | 'to'>) {
    this.#gaps = gaps;
    this.#end = end;
    this.#chain = chain;
  }

  /** To be handed to who goes on. */
  get chain(): Pick<SliceSpan, 'from' | 'to'> | undefined {
    return this.#chain;
  }

  /** Where the chain ends so far. */
  get end(): OpTime | undefined {
    return this.#end;
  }

  /** Gaps over which slices lead all the same, as far as slices were added: whoever recorded them did not see those. */
  get ledOver(): readonly OplogGap[] {
    return [...this.#ledOver];
  }

  /** The next slice, whole. @returns what is lost before it */
  add({ from, to }: Pick<SliceSpan, 'from' | 'to'>): ArchiveLoss | undefined {
    const loss = this.#lossBefore(from);
    const before = this.#chain;
    this.#chain = { from: before && sameOpTime(before.to, from) ? before.from : from, to };
    for (const gap of this.#gaps) if (isLedOver(gap, this.#chain)) this.#ledOver.add(gap);
    // One that another chain leads over ends nothing.
    if (!this.#end || compareTimestamps(this.#end.ts, to.ts) <= 0) this.#end = to;
    this.#damaged = [];
    return loss;
  }

  addDamaged(slice: DamagedSlice): void {
    this.#damaged.push(slice);
  }

  /**
   * The last slice was added. @param noted an entry that was archived, as far as anybody noted
   * @returns what is lost at the end
   */
  finish(noted?: OpTime): ArchiveLoss | undefined {
    const isBeyond = noted && (!this.#end || compareTimestamps(this.#end.ts, noted.ts) < 0);
    const last = isBeyond ? noted : this.#damaged.at(-1)?.to;
    return last && this.#lossBefore(last);
  }

  #lossBefore(from: OpTime): ArchiveLoss | undefined {
    const [first] = this.#damaged;
    const after = this.#end ?? (first && { ts: first.from, t: from.t });
    if (!after || this.#isReached(from, after) || this.#isKnown(after, from)) return undefined;
    return { after, before: from, damaged: this.#damaged.map(({ key }) => key) };
  }

  /** Same time and other term: another history, which begins where this one ends. */
  #isReached(from: OpTime, end: OpTime): boolean {
    const order = compareTimestamps(from.ts, end.ts);
    return order < 0 || (order === 0 && from.t === end.t);
  }

  #isKnown(after: OpTime, before: OpTime): boolean {
    return this.#gaps.some(
      (gap) => compareTimestamps(gap.after.ts, after.ts) <= 0 && compareTimestamps(before.ts, gap.before.ts) <= 0,
    );
  }
}
