const codes: ReadonlySet<unknown> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/**
 * The driver passes on what Node says of a socket that the server has just closed, as it is (7.9.0; ran: EPIPE of a
 * command to a server that was killed a moment before).
 */
export function isSocketError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codes.has(error.code);
}
