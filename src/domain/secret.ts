/** Node's hook for console.log and util.inspect, by its registered name: the domain imports no Node module. */
const inspectHook = Symbol.for('nodejs.util.inspect.custom');

/** A value that prints as `[redacted]` wherever it is logged, serialised or interpolated by accident. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself: only for the call that hands it to the server. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspectHook](): string {
    return '[redacted]';
  }
}
