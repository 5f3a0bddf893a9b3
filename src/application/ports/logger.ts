export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log, one JSON line per call in the adapters; fields never hold secrets. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
