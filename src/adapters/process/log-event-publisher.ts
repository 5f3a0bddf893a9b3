import { appendFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../application/ports/clock.ts';
import type { EventPublisher } from '../../application/ports/event-publisher.ts';
import type { Logger } from '../../application/ports/logger.ts';
import { makeFolders } from '../make-folders.ts';
import { toJsonLine } from './json-logger.ts';
import { toLogValue } from './redact.ts';

/** Embedded mode's events: lines `{time, detailType, detail}` of a file that a user's own tools may follow, and of the log. */
export class LogEventPublisher implements EventPublisher {
  readonly #options: { readonly clock: Clock; readonly logger: Logger; readonly file?: string };

  /** @param options file: such as `events.ndjson` in the state directory; without it the log alone */
  constructor(options: { readonly clock: Clock; readonly logger: Logger; readonly file?: string }) {
    this.#options = options;
  }

  async publish(event: {
    readonly detailType: string;
    readonly detail: Readonly<Record<string, unknown>>;
  }): Promise<void> {
    const { clock, logger, file } = this.#options;
    const { detailType, detail } = event;
    logger.info(detailType, detail);
    if (file === undefined) return;
    try {
      await makeFolders(dirname(file), 0o700);
      const time = clock.now().toISOString();
      // One append: lines of several processes do not mix.
      await appendFile(file, `${toJsonLine({ time, detailType, detail: toLogValue(detail) })}\n`, { mode: 0o600 });
    } catch (error) {
      logger.warn('An event could not be written.', { file, detailType, error });
    }
  }
}
