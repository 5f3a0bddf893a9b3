import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { parseMongoUri } from '../../domain/mongodb-uri.ts';
import type { Secret } from '../../domain/secret.ts';

/** Credentials in the form the driver takes them. */
export interface ParsedCredentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly authSource: string | undefined;
  readonly authMechanism: string | undefined;
  /** Path of a PEM file with certificate and key, for MONGODB-X509. */
  readonly tlsCertificateKeyFile: string | undefined;
}

const jsonSchema = z.strictObject({
  username: z.string().min(1),
  password: z.string().min(1),
  authSource: z.string().min(1).optional(),
  authMechanism: z.string().min(1).optional(),
});

const none = { authSource: undefined, authMechanism: undefined, tlsCertificateKeyFile: undefined };

function refuse(problem: string): never {
  throw new HoldfastError('CredentialsUnavailable', `The credentials cannot be used: ${problem}.`, {
    next: 'Write user:password, {"username": …, "password": …} or a mongodb:// URI with user and password.',
  });
}

function fromUri(text: string): ParsedCredentials {
  let uri;
  try {
    uri = parseMongoUri(text);
  } catch {
    // Its message could quote the text: a secret.
    return refuse('they begin like a mongodb:// URI and are none (escape : / ? # [ ] @ % in user and password)');
  }
  const tlsCertificateKeyFile = uri.options.get('tlscertificatekeyfile');
  if (uri.username === undefined && tlsCertificateKeyFile === undefined)
    refuse('the URI has neither user nor certificate');
  return {
    username: uri.username,
    password: uri.password,
    authSource: uri.options.get('authsource') ?? uri.database,
    authMechanism: uri.options.get('authmechanism') ?? (uri.username === undefined ? 'MONGODB-X509' : undefined),
    tlsCertificateKeyFile,
  };
}

function fromJson(text: string): ParsedCredentials {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('they begin like JSON and are none');
  }
  const parsed = jsonSchema.safeParse(value);
  if (!parsed.success) {
    return refuse('the JSON must have username and password, may have authSource and authMechanism, and nothing else');
  }
  const { username, password, authSource, authMechanism } = parsed.data;
  return { username, password, authSource, authMechanism, tlsCertificateKeyFile: undefined };
}

/**
 * Understands the three forms of credentials: a mongodb:// URI (only its user, password and authentication options are
 * used), JSON `{"username","password","authSource"?,"authMechanism"?}`, or `user:password`.
 * @throws CredentialsUnavailable; the message never quotes the text.
 */
export function parseCredentials(credentials: Secret): ParsedCredentials {
  const text = credentials.reveal();
  if (/^mongodb(\+srv)?:\/\//i.test(text)) return fromUri(text);
  if (text.startsWith('{')) return fromJson(text);
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) refuse('they have no user before and no password after a colon');
  return { ...none, username: text.slice(0, colon), password: text.slice(colon + 1) };
}
