import { type ErrorName, errorRegistry, exitCodes } from './error-registry.ts';

export interface ErrorContext {
  /** What to do next, where the thrower knows better than the registry. */
  readonly next?: string;
  readonly cause?: unknown;
  /** Facts for machines: small, JSON, never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The product's only error class. `name` is a literal of the registry, so it survives minifiers and process borders. */
export class HoldfastError extends Error {
  override readonly name: ErrorName;
  readonly next: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(name: ErrorName, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = name;
    this.next = context.next ?? errorRegistry[name].next;
    this.details = context.details ?? {};
  }

  get code(): string {
    return errorRegistry[this.name].code;
  }

  get retryable(): boolean {
    return errorRegistry[this.name].retryable;
  }

  get exitCode(): number {
    return exitCodes[errorRegistry[this.name].kind];
  }
}

export function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(errorRegistry, name);
}

/** Tells a HoldfastError of that name, also one that was rebuilt on this side of a process border. */
export function isHoldfastError(error: unknown, ...names: readonly ErrorName[]): error is HoldfastError {
  return error instanceof HoldfastError && (names.length === 0 || names.includes(error.name));
}
