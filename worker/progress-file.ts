import { writeDocument } from '../src/application/documents.ts';
import type { Clock } from '../src/application/ports/clock.ts';
import type { Logger } from '../src/application/ports/logger.ts';
import type { ObjectStore } from '../src/application/ports/object-store.ts';
import { stateKeys } from '../src/domain/names.ts';
import { addSample, bytesPerSecond, etaSeconds, type ProgressSample } from '../src/domain/progress.ts';
import type { Progress } from '../src/domain/run.ts';

export type WorkDone = Pick<Progress, 'phase' | 'documents' | 'rawBytes' | 'storedBytes' | 'totalBytes'>;

export interface ProgressFileOptions {
  readonly state: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runId: string;
  readonly part: string;
  /** Milliseconds between two writes, a new phase apart. */
  readonly interval: number;
}

/** Writes `progress.json` once in an interval, however often it is told; one write at a time. */
export class ProgressFile {
  readonly #options: ProgressFileOptions;
  #samples: readonly ProgressSample[] = [];
  #phase = '';
  #written = -Infinity;
  #writing: Promise<void> | undefined;
  #latest: WorkDone | undefined;
  #brake: string | null = null;

  constructor(options: ProgressFileOptions) {
    this.#options = options;
  }

  report(work: WorkDone): void {
    this.#latest = work;
    const now = this.#options.clock.now().getTime();
    // Each phase has a rate of its own.
    if (work.phase !== this.#phase) this.#samples = [];
    const due = now - this.#written >= this.#options.interval || work.phase !== this.#phase;
    if (!due || this.#writing !== undefined) return;
    this.#phase = work.phase;
    this.#written = now;
    this.#writing = this.#write(work, now).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Shows what holds the work back; null for nothing. While it stands still nothing else is reported. */
  showBrake(state: string | null): void {
    this.#brake = state;
    if (this.#latest !== undefined) this.report(this.#latest);
  }

  /** Writes what was reported last. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#latest !== undefined) await this.#write(this.#latest, this.#options.clock.now().getTime());
  }

  async #write(work: WorkDone, now: number): Promise<void> {
    const { state, logger, runId, part } = this.#options;
    this.#samples = addSample(this.#samples, { at: now, bytes: work.rawBytes });
    const rate = bytesPerSecond(this.#samples);
    const { phase, documents, rawBytes, storedBytes, totalBytes } = work;
    const progress: Progress = {
      schemaVersion: 1,
      part,
      phase,
      documents,
      rawBytes,
      storedBytes,
      totalBytes,
      bytesPerSecond: rate,
      etaSeconds: etaSeconds(rawBytes, totalBytes, rate),
      ...(this.#brake !== null && { brake: this.#brake }),
      updatedAt: new Date(now).toISOString(),
    };
    try {
      await writeDocument(state, stateKeys.progress(runId), progress);
    } catch (error) {
      logger.warn('progress could not be written', { reason: String(error) });
    }
  }
}
