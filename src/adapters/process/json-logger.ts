import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../application/ports/clock.ts';
import type { LogFields, Logger } from '../../application/ports/logger.ts';
import { makeFoldersNow } from '../make-folders.ts';
import { redactText, toLogValue } from './redact.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof levels)[number];

/** C1 controls and Unicode's own line ends, which JSON leaves as they are and terminals and log viewers obey. */
const unsafeCharacters = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export interface JsonLoggerOptions {
  readonly clock: Clock;
  /** Calls below it write nothing; default `info`. */
  readonly level?: LogLevel;
  /** On every line, such as run id and part. */
  readonly fields?: LogFields;
  /** Takes a whole line with its line feed; default: stderr. */
  readonly write?: (line: string) => void;
}

/**
 * One JSON document a line: `time`, `level`, `message`, then the fields. Whatever the values hold, a line stays one line and
 * shows no secret and no password of a MongoDB URI. A log that can't be written never stops the program.
 */
export class JsonLogger implements Logger {
  readonly #options: JsonLoggerOptions;
  readonly #least: number;

  constructor(options: JsonLoggerOptions) {
    this.#options = options;
    this.#least = levels.indexOf(options.level ?? 'info');
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (levels.indexOf(level) < this.#least) return;
    const { clock, write = writeToStderr, fields: always = {} } = this.#options;
    const head = { time: clock.now().toISOString(), level, message: redactText(message) };
    const rest = toLogValue({ ...always, ...fields }) as Record<string, unknown>;
    // The head comes first and wins: a field named "level" can't hide an error.
    write(`${toJsonLine({ ...head, ...rest, ...head })}\n`);
  }
}

/** A document as one line that no value in it can break. */
export function toJsonLine(document: unknown): string {
  return JSON.stringify(document).replace(unsafeCharacters, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Appends lines to a file, made with its folders; what can't be written goes to stderr. */
export function appendingTo(path: string): { readonly write: (line: string) => void; readonly close: () => void } {
  let file: number | undefined;
  return {
    write: (line) => {
      try {
        if (file === undefined) {
          makeFoldersNow(dirname(path), 0o700);
          file = openSync(path, 'a', 0o600);
        }
        writeSync(file, line);
      } catch {
        writeToStderr(line);
      }
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function writeToStderr(line: string): void {
  // A reader that went away (`2>&1 | head`, a closed terminal) would otherwise end the program by an unhandled event.
  if (!process.stderr.listeners('error').includes(ignore)) process.stderr.on('error', ignore);
  process.stderr.write(line);
}

function ignore(): void {
  // There is no place left to tell it.
}
