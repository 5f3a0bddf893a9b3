/** When reading slows down and when it stops, by what the member says of itself: no input or output. */

/** What the member can say of its load; undefined where it cannot. */
export interface MemberLoad {
  /** Seconds behind the primary. */
  readonly lagSeconds: number | undefined;
  /** Of WiredTiger's cache, 0 to 1: what must be written before it can leave the cache. */
  readonly dirtyFraction: number | undefined;
}

export interface BrakeLimits {
  /** Reading stops beyond it, and slows down beyond half of it. */
  readonly maxLagSeconds: number;
}

/** What presses most: reading slows down from {@link slowFrom} on, and stops beyond 1. */
export interface Pressure {
  readonly amount: number;
  /** `replication lag 31 s (limit 20 s)` */
  readonly reason: string;
}

/** The share of the limit from which reading slows down. */
export const slowFrom = 0.5;

/**
 * At 20 % dirty, WiredTiger makes whoever writes evict pages first (eviction_dirty_trigger), replication included; its own
 * threads begin at 5 % (eviction_dirty_target), which is no sign of trouble.
 */
const dirtyLimit = 0.2;
const dirtyUsual = 0.1;

/** How little of the speed before is left when reading slows down: a dump that lasts eight times as long still ends. */
const leastShare = 1 / 8;

export function pressureOf(load: MemberLoad, limits: BrakeLimits): Pressure {
  const { lagSeconds = 0, dirtyFraction = 0 } = load;
  const lag = {
    amount: lagSeconds / limits.maxLagSeconds,
    reason: `replication lag ${lagSeconds} s (limit ${limits.maxLagSeconds} s)`,
  };
  const percent = (fraction: number): string => `${Math.round(fraction * 100)} %`;
  const cache = {
    amount: (dirtyFraction - dirtyUsual) / (dirtyLimit - dirtyUsual),
    reason: `${percent(dirtyFraction)} of the cache dirty (limit ${percent(dirtyLimit)})`,
  };
  return lag.amount >= cache.amount ? lag : cache;
}

/**
 * The share of the usual speed that may be read at until the next look: halved while the pressure is high, 0 while it is
 * beyond the limit, doubled when it is gone, 1 for no brake.
 */
export function nextShare(share: number, { amount }: Pressure): number {
  if (amount > 1) return 0;
  if (amount > slowFrom) return Math.max(leastShare, share / 2);
  return Math.min(1, Math.max(leastShare, share * 2));
}
