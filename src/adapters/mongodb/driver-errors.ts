import { MongoError, MongoParseError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { redactText } from '../../domain/mongodb-uri.ts';

/** Which side of Holdfast a server is on: decides the name of the error when it cannot be reached. */
export type ServerRole = 'source' | 'target';

export interface DriverErrorContext {
  /** host:port, for the message. */
  readonly host: string;
  readonly role: ServerRole;
}

const authenticationFailed = 18;
const unauthorized = 13;

/** The error that says why, below the driver's own: `connect ECONNREFUSED` below `server selection timed out`. */
function rootCause(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < 8; depth++) {
    const below: unknown =
      current instanceof MongoServerSelectionError
        ? ([...(current.reason?.servers.values() ?? [])].find(({ error }) => error)?.error ?? current.cause)
        : current instanceof Error
          ? current.cause
          : undefined;
    if (!(below instanceof Error)) break;
    current = below;
  }
  return current;
}

/** Without the full stop at its end: it becomes a part of a sentence. */
function textOf(error: unknown): string {
  const text = error instanceof AggregateError && error.message === '' ? String(error.errors[0]) : undefined;
  return redactText(text ?? (error instanceof Error ? error.message : String(error))).replace(/\.$/, '');
}

const explanations: readonly (readonly [RegExp, string])[] = [
  [
    /ECONNREFUSED/,
    'Nothing listens there: check the port, and that mongod runs and binds an address that this machine reaches.',
  ],
  [/ENOTFOUND|EAI_AGAIN/, 'The name does not resolve on this machine: check DNS or the hosts file.'],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed out/,
    'No answer: check routes, firewalls and security groups between this machine and the host.',
  ],
  [
    /certificate|self.signed|UNABLE_TO_VERIFY|ALTNAME|SSL|TLS/i,
    'TLS failed: name the CA by tls.caFile, and connect by a host name that the certificate carries.',
  ],
  [
    /ECONNRESET|closed|EPIPE/,
    'The server closed the connection: it may demand TLS (tls=true in the URI or tls in the config), or be shutting down.',
  ],
];

/** Whether a failed connection failed because the server refused the credentials. */
export function isAuthenticationFailure(error: unknown): boolean {
  return [error, rootCause(error)].some(
    (part) => part instanceof MongoServerError && part.code === authenticationFailed,
  );
}

/**
 * A driver's error as an error of the product, naming host, cause and next step; secrets never reach the message.
 * What is neither network, authentication nor authorisation comes back unchanged: the caller knows what it asked for.
 */
export function mapDriverError(error: unknown, { host, role }: DriverErrorContext): unknown {
  if (error instanceof HoldfastError || !(error instanceof MongoError)) return error;
  const root = rootCause(error);
  if (isAuthenticationFailure(error)) {
    return new HoldfastError('AuthenticationFailed', `${host} refused the credentials: ${textOf(root)}`, {
      cause: error,
    });
  }
  if (error instanceof MongoServerError) {
    if (error.code !== unauthorized) return error;
    // The whole command with session and cluster time follows in the server's text: its name is what matters.
    const text = textOf(error).replace(/(execute command) \{ (\w+):.*$/s, '$1 $2');
    return new HoldfastError('MissingPrivileges', `${host} refused a command: ${text}`, { cause: error });
  }
  if (error instanceof MongoParseError) {
    return new HoldfastError('InvalidConfig', `The connection to ${host} cannot be set up: ${textOf(error)}`, {
      cause: error,
    });
  }
  if (error.name === 'MongoCompatibilityError') {
    return new HoldfastError('UnsupportedVersion', `${host}: ${textOf(error)}`, { cause: error });
  }
  const unreachable: ErrorName = role === 'source' ? 'SourceUnreachable' : 'TargetUnreachable';
  const text = textOf(root);
  const next = explanations.find(
    ([sign]) => sign.test(text) || sign.test((root as NodeJS.ErrnoException).code ?? ''),
  )?.[1];
  return new HoldfastError(unreachable, `${host} cannot be reached: ${text}`, { cause: error, ...(next && { next }) });
}
