import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { type BrakeLimits, type MemberLoad, nextShare, type Pressure, pressureOf } from './brake-policy.ts';
import type { Source } from './member-state.ts';

export interface LoadBrakeOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes per second of all collections together; undefined for no limit. */
  readonly bandwidth: number | undefined;
  readonly limits: BrakeLimits;
  readonly readLoad: (source: Source) => Promise<MemberLoad>;
  /** Told after each look while the brake is on, and once when it is off again (null). */
  readonly onChange: (state: string | null) => void;
}

/** What the brake did, for the backup. */
export interface BrakeSummary {
  readonly seconds: number;
  /** What pressed most, at its worst. */
  readonly reason: string;
}

function describeShare(before: number, share: number): string {
  if (share === 0) return 'stopped';
  return share > before ? 'speeding up again' : 'slowed down';
}

const lookEveryMilliseconds = 1000;
/** A wait is cut into pieces of this length: the speed that is allowed may change meanwhile. */
const longestWait = 1000;
/**
 * How long reading may stand still before the attempt is given up, in milliseconds. Within the half hour after which a
 * server ends an idle session, and its cursors with it.
 */
const patience = 600_000;
/** Taken for the usual speed when the brake is needed before anything was read, in bytes per second. */
const assumedSpeed = 64 * 1024 * 1024;

/**
 * Bounds the load of a dump on its member: raw bytes per second, and less, or nothing, while the member's replication
 * lag or its cache says that it suffers. Shared by all scans of a part; capture never waits for it.
 */
export class LoadBrake {
  readonly #options: LoadBrakeOptions;
  /** Bytes that may be read at once; below zero: what was read too early. */
  #credit = 0;
  #creditAt: number;
  /** Bytes since the last look. */
  #read = 0;
  #usualSpeed: number | undefined;
  #share = 1;
  #lookedAt: number | undefined;
  #stoppedSince: number | undefined;
  #brakedMilliseconds = 0;
  #worst: Pressure | undefined;

  constructor(options: LoadBrakeOptions) {
    this.#options = options;
    this.#creditAt = options.clock.now().getTime();
  }

  /** Undefined when the member's load never held the dump back. */
  get summary(): BrakeSummary | undefined {
    return this.#worst && { seconds: Math.ceil(this.#brakedMilliseconds / 1000), reason: this.#worst.reason };
  }

  /** Counts bytes that were read, and resolves when the next may be. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#earn();
    this.#read += bytes;
    this.#credit -= bytes;
    while (this.#share === 0 || this.#credit < 0) {
      const speed = this.#speed();
      if (speed === Infinity) break;
      const wait = speed === 0 ? longestWait : Math.min(longestWait, Math.ceil((-this.#credit * 1000) / speed));
      await this.#options.clock.sleep(wait, signal);
      this.#earn();
    }
  }

  /** Bytes per second that are allowed now. */
  #speed(): number {
    const { bandwidth = Infinity } = this.#options;
    const braked = this.#share === 1 ? Infinity : this.#share * (this.#usualSpeed ?? assumedSpeed);
    return Math.min(bandwidth, braked);
  }

  #earn(): void {
    const now = this.#options.clock.now().getTime();
    const speed = this.#speed();
    const seconds = Math.max(0, now - this.#creditAt) / 1000;
    // No more is saved up than a second's worth; without a limit nothing is owed either.
    this.#credit = speed === Infinity ? 0 : Math.min(speed, this.#credit + speed * seconds);
    this.#creditAt = now;
  }

  /**
   * Looks at the member every second until `ended`.
   * @throws MemberStateChanged when it stays beyond a limit for ten minutes; what a read of the member throws
   */
  async watch(ended: AbortSignal, source: Source): Promise<void> {
    const signal = AbortSignal.any([ended, source.signal]);
    while (!ended.aborted) {
      await this.look(source);
      await this.#options.clock.sleep(lookEveryMilliseconds, signal).catch(() => undefined);
      source.signal.throwIfAborted();
    }
  }

  /** One look at the member. @throws MemberStateChanged when it was beyond a limit for ten minutes */
  async look(source: Source): Promise<void> {
    const { clock, limits, readLoad } = this.#options;
    const pressure = pressureOf(await readLoad(source), limits);
    const now = clock.now().getTime();
    const elapsed = Math.max(0, now - (this.#lookedAt ?? now));
    this.#lookedAt = now;
    this.#measure(elapsed);
    const before = this.#share;
    this.#earn();
    this.#share = nextShare(before, pressure);
    this.#report(before, pressure);
    this.#requireEnd(now, pressure, source.member);
  }

  /** The greatest speed of any second without the brake is the usual one. */
  #measure(elapsed: number): void {
    if (this.#share !== 1) this.#brakedMilliseconds += elapsed;
    else if (elapsed > 0 && this.#read > 0)
      this.#usualSpeed = Math.max(this.#usualSpeed ?? 0, (this.#read * 1000) / elapsed);
    this.#read = 0;
  }

  #report(before: number, pressure: Pressure): void {
    const { logger, onChange } = this.#options;
    const share = this.#share;
    if (before === 1 && share === 1) return;
    if (this.#worst === undefined || pressure.amount > this.#worst.amount) this.#worst = pressure;
    if (before === 1) logger.warn('the dump is slowed down', { reason: pressure.reason });
    else if (before !== 0 && share === 0) logger.warn('the dump stands still', { reason: pressure.reason });
    else if (share === 1) logger.info('the dump goes on at full speed', { ...this.summary });
    onChange(share === 1 ? null : `${describeShare(before, share)}: ${pressure.reason}`);
  }

  #requireEnd(now: number, { reason }: Pressure, member: string): void {
    this.#stoppedSince = this.#share === 0 ? (this.#stoppedSince ?? now) : undefined;
    if (this.#stoppedSince === undefined || now - this.#stoppedSince < patience) return;
    throw new HoldfastError(
      'MemberStateChanged',
      `${member} has been under too much load for ${patience / 60_000} minutes: ${reason}. Nothing was read meanwhile.`,
      {
        next: 'Let the member catch up, or take load off it. The run tries again by itself for a while.',
        details: { member, reason },
      },
    );
  }
}
