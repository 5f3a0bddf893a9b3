/** Exit codes of the CLI and the worker, by kind of error; 0 is success, 1 is never used (Node's own crash). */
export const exitCodes = {
  usage: 2,
  source: 3,
  busy: 4,
  storage: 5,
  data: 6,
  target: 7,
  worker: 8,
  cancelled: 9,
  internal: 70,
} as const;

export type ErrorKind = keyof typeof exitCodes;

export interface ErrorEntry {
  readonly code: `HF-${number}`;
  readonly kind: ErrorKind;
  /** Whether a state machine may run the state again: transient by nature, and safe because every state is re-entrant. */
  readonly retryable: boolean;
  readonly title: string;
  /** What to do next, when the thrower knows nothing better. */
  readonly next: string;
}

export const entry = (
  code: ErrorEntry['code'],
  kind: ErrorKind,
  title: string,
  next: string,
  retryable = false,
): ErrorEntry => ({
  code,
  kind,
  retryable,
  title,
  next,
});
