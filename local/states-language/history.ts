import type { Clock } from '../../src/application/ports/clock.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { failureCause } from '../../src/domain/failure.ts';
import { ExecutionStopped } from './failures.ts';
import { isArray, isObject, type Json, type JsonObject } from './json.ts';
import type { HistoryEvent, Journal } from './journal.ts';

/** Events that a Standard execution may have (Step Functions quota); the last one says so. */
export const maximumEvents = 25_000;

/** The place of one path through the machine in the history: the event that the next one follows. */
export interface Cursor {
  previous: number;
}

/** Numbers an execution's events and hands them to its journal, with task tokens cut. */
export class History {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #secrets: string[] = [];
  #lastId = 0;
  #written: Promise<void> = Promise.resolve();

  constructor(clock: Clock, journal: Journal) {
    this.#clock = clock;
    this.#journal = journal;
  }

  /** Keeps a task token out of the journal: at most its first 8 characters are written. */
  hide(token: string): void {
    this.#secrets.push(token);
  }

  /**
   * Resolves when the event is durable.
   * @throws ExecutionStopped when the history is full (25,000 events) or the journal cannot be written
   */
  async append(type: string, details: JsonObject | undefined, cursor: Cursor): Promise<number> {
    if (this.#lastId >= maximumEvents - 1) {
      const cause = `The execution reached the maximum number of history events (${maximumEvents}).`;
      throw new ExecutionStopped('FAILED', 'States.Runtime', cause);
    }
    return this.#write(type, details, cursor);
  }

  /** The event that ends the execution: has a place even when the history is full. */
  async appendLast(type: string, details: JsonObject, cursor: Cursor): Promise<void> {
    await this.#write(type, details, cursor);
  }

  async #write(type: string, details: JsonObject | undefined, cursor: Cursor): Promise<number> {
    this.#lastId += 1;
    const event: HistoryEvent = {
      timestamp: this.#clock.now().toISOString(),
      type,
      id: this.#lastId,
      previousEventId: cursor.previous,
      ...(details && { [detailsMember(type)]: this.#redact(details) as JsonObject }),
    };
    cursor.previous = event.id;
    const before = this.#written;
    this.#written = before.then(() => this.#journal.append(event));
    try {
      await this.#written;
    } catch (error) {
      // The disk's trouble has a name of its own; it is no defect to report.
      if (error instanceof HoldfastError) throw new ExecutionStopped('FAILED', error.name, failureCause(error));
      const reason = error instanceof Error ? error.message : String(error);
      throw new ExecutionStopped('FAILED', 'States.Runtime', `The journal could not be written: ${reason}`);
    }
    return event.id;
  }

  #redact(value: Json): Json {
    if (typeof value === 'string') {
      return this.#secrets.reduce(
        (text, token) => text.replaceAll(token, `${token.slice(0, Math.min(8, token.length / 2))}…`),
        value,
      );
    }
    if (isArray(value)) return value.map((item) => this.#redact(item));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.#redact(member)]));
  }
}

/** `TaskStateEntered` has its details under `stateEnteredEventDetails`, like all states; other types under their own name. */
function detailsMember(type: string): `${string}EventDetails` {
  const base = type.replace(/^\w+?State(Entered|Exited)$/, 'State$1');
  return `${base.charAt(0).toLowerCase()}${base.slice(1)}EventDetails`;
}
