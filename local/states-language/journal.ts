import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import { errorCode, toStorageError } from '../../src/adapters/directory/file-errors.ts';
import type { JsonObject } from './json.ts';

/** One event of an execution, in the shape of Step Functions' GetExecutionHistory: details under `<type>EventDetails`. */
export interface HistoryEvent {
  /** From 1, without gaps. */
  readonly id: number;
  /** The event before it on its own path through the machine; 0 for the first. */
  readonly previousEventId: number;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly type: string;
  readonly [details: `${string}EventDetails`]: JsonObject;
}

/** Where an execution's events go, in the order of their ids. What `append` resolved is durable, as far as the journal can be. */
export interface Journal {
  append(event: HistoryEvent): void | Promise<void>;
  /** No event follows, whether or not the last one could be written. */
  close?(): void;
}

export class MemoryJournal implements Journal {
  readonly events: HistoryEvent[] = [];

  append(event: HistoryEvent): void {
    this.events.push(event);
  }
}

/** The end of a step of a task: nothing but progress would be lost with it, so it needs no flush of its own. */
const unflushed = new Set(['TaskStarted', 'MapStateStarted', 'ParallelStateStarted', 'MapIterationStarted']);

/**
 * One JSON document a line, created with the first event; every state transition is flushed to the disk (fsync) before
 * the execution goes on. A file that exists already is refused: a history has one writer.
 * `append` throws StorageFull and the other errors of a storage when the disk fails.
 */
export class FileJournal implements Journal {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  append(event: HistoryEvent): void {
    try {
      this.#file ??= create(this.#path);
      writeWhole(this.#file, Buffer.from(`${JSON.stringify(event)}\n`));
      if (!unflushed.has(event.type)) fsyncSync(this.#file);
    } catch (error) {
      // A second writer is a defect, and no trouble of the disk.
      if (errorCode(error) === 'EEXIST') throw error;
      throw toStorageError(error, { storage: 'of the state', key: this.#path, action: 'write the journal' });
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A disk that is nearly full, and a signal, let write(2) take less than it is given. */
function writeWhole(file: number, line: Buffer): void {
  let written = 0;
  while (written < line.length) written += writeSync(file, line, written);
}

/** A new file whose name survives a power failure. */
function create(path: string): number {
  const file = openSync(path, 'ax', 0o600);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
  return file;
}

/** Whether the event ends its execution. */
export function isLastEvent(event: HistoryEvent): boolean {
  return /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(event.type);
}

/**
 * The events of a journal's text, up to the first line that is not whole: a process that died while it wrote leaves a torn
 * last line, and what follows a torn line cannot be trusted.
 */
export function parseJournal(text: string): readonly HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const lines = text.split('\n');
  for (const line of lines.slice(0, -1)) {
    const event = parseEvent(line);
    if (event?.id !== events.length + 1) break;
    events.push(event);
  }
  return events;
}

/** Whether a line has what readers rely on: another one is damaged, and taken for torn. */
function isEvent(value: unknown): value is HistoryEvent {
  if (typeof value !== 'object' || value === null) return false;
  const { type, timestamp } = value as Readonly<Record<string, unknown>>;
  return typeof type === 'string' && typeof timestamp === 'string' && !Number.isNaN(Date.parse(timestamp));
}

function parseEvent(line: string): HistoryEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a journal file; see {@link parseJournal}. @throws Node's error when there is no such file */
export function readJournal(path: string): readonly HistoryEvent[] {
  return parseJournal(readFileSync(path, 'utf8'));
}
