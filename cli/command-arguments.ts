import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { RestoreRequest } from '../src/domain/run.ts';
import { HoldfastError, isHoldfastError } from '../src/domain/errors.ts';
import { isVolumeTarget } from '../src/domain/restore-place.ts';
import { isWantedTime } from '../src/domain/wanted-time.ts';
import { parseMongoUri, redactUri } from '../src/domain/mongodb-uri.ts';

/** Parsers of single arguments: commander puts the option's name and what was given around their messages. */

/** Collects `--label key=value`, repeated. */
export function collectLabel(text: string, labels: Readonly<Record<string, string>> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Expected key=value.');
  const key = text.slice(0, equals);
  if (Object.hasOwn(labels, key)) throw new InvalidArgumentError('The label was given before.');
  return { ...labels, [key]: text.slice(equals + 1) };
}

/** Collects `--users-of DATABASE`, repeated. */
export function collectDatabase(name: string, databases: readonly string[] = []): string[] {
  if (name === '' || name.includes('.')) throw new InvalidArgumentError('Expected the name of a database.');
  return [...databases, name];
}

/** Which levels fit depends on the codec, which may be the config's. */
export function parseLevel(text: string): number {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 19) throw new InvalidArgumentError('Expected 1 to 19 for zstd, or 1 to 9 for gzip.');
  return value;
}

export function parseParallel(text: string): number {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 64) throw new InvalidArgumentError('Expected a whole number from 1 to 64.');
  return value;
}

const sizeUnits: Readonly<Record<string, number>> = {
  ...{ MB: 1e6, GB: 1e9, TB: 1e12, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

/** `100GiB`, `1.5TB`: bytes. */
export function parseSize(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?) ?([MGT]i?B)$/.exec(text) ?? [];
  const bytes = Math.round(Number(amount) * (sizeUnits[unit] ?? Number.NaN));
  if (!(bytes > 0 && bytes <= 1e15)) throw new InvalidArgumentError('Expected a size such as 500MB, 100GiB or 1.5TiB.');
  return bytes;
}

export function parseKeepDays(text: string): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (days < 1) throw new InvalidArgumentError('Expected a whole number of days, 1 at least.');
  return days;
}

type RestoreCredentials = NonNullable<RestoreRequest['credentials']>;

/** `env:NAME` or `file:PATH`: where the target's user and password are read from, never they themselves. */
export function parseCredentials(text: string): RestoreCredentials {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (name !== undefined) return { env: name };
  const file = /^file:(.+)$/.exec(text)?.[1];
  if (file !== undefined) return { file };
  // Not InvalidArgumentError: it would echo what may be a password.
  throw new HoldfastError('InvalidInput', 'the value of --credentials names no source of credentials', {
    details: { where: '--credentials', given: '[redacted]' },
    next: 'Put the credentials into an environment variable or a file that only you can read, and write --credentials env:NAME or --credentials file:PATH.',
  });
}

/** A path as a shell's user writes one: with a slash or a dot in front, so that a host is not taken for it. */
const path = /^(\.{0,2}\/|\.{1,2}$)/;

/** What is named to be overwritten: a directory by any of its paths. @returns its absolute path, or the name */
export function parseOverwrite(text: string): string {
  return path.test(text) ? resolve(text) : text;
}

/**
 * The target of a restore: a URI, or a directory.
 * @returns the URI, or the directory's absolute path
 * @throws InvalidInput, the URI redacted
 */
export function parseTarget(text: string): string {
  if (path.test(text)) return resolve(text);
  if (isVolumeTarget(text)) return text;
  try {
    parseMongoUri(text);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const details = { where: '--to', given: redactUri(text) };
    throw new HoldfastError(error.name, error.message, { next: error.next, details, cause: error });
  }
  return text;
}

/** `--at`: as the request takes it. */
export function parseAt(text: string): string {
  if (isWantedTime(text)) return text;
  throw new InvalidArgumentError('Expected 2026-11-22T10:15:30Z (the whole second), 1763806530:4, or latest.');
}

/** `database.collection`. */
export function parseNamespace(text: string): string {
  if (/^[^.$\0]+\.[^$\0]+$/.test(text)) return text;
  throw new InvalidArgumentError('Expected database.collection.');
}

/** Collects `--ns db.coll` and `--ns db.*`, repeated. */
export function collectNamespace(text: string, namespaces: readonly string[] = []): string[] {
  if (!/^[^.$\0]+\.[^$\0]+$/.test(text)) throw new InvalidArgumentError('Expected database.collection or database.*.');
  return [...namespaces, text];
}

/** Collects `--rename from=to`, repeated: the first equals sign parts them. */
export function collectRename(
  text: string,
  renames: NonNullable<RestoreRequest['renames']> = [],
): NonNullable<RestoreRequest['renames']> {
  const [from, to] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
  if (!text.includes('=') || from === '' || to === '')
    throw new InvalidArgumentError('Expected a.x=b.y for a collection, or a.*=b.* for a database.');
  return [...renames, { from, to }];
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `2026-11-22`, `2026-11-22T10:15:30Z` (UTC unless it says otherwise), or how long ago: `90m`, `24h`, `7d`, `2w`. */
export function parseSince(text: string, now: Date): Date {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text);
  if (ago) return new Date(now.getTime() - Number(ago[1]) * (unitSeconds[ago[2] ?? 's'] ?? 1) * 1000);
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  const date = new Date(iso && !iso[4] && iso[1] ? `${text}Z` : text);
  if (!iso || Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError('Expected a time as 2026-11-22T10:15:30Z, or how long ago as 24h or 7d.');
  }
  return date;
}

const uriWithUser = /mongodb(\+srv)?:\/\/.*@/is;
const uriWithSecretOption = /mongodb(\+srv)?:\/\/.*[?&][^=&]*(password|secret|token|authMechanismProperties)[^=&]*=/is;

/**
 * Refuses a URI with credentials anywhere in the command line, before any message can repeat it: process lists and the
 * shell's history show arguments to others.
 * @throws InvalidInput, without what was given
 */
export function refuseCredentialsInArguments(argv: readonly string[]): void {
  const index = argv.findIndex((argument) => uriWithUser.test(argument) || uriWithSecretOption.test(argument));
  if (index < 0) return;
  throw new HoldfastError('InvalidInput', 'a URI on the command line carries credentials', {
    details: { where: `argument ${index + 1}`, given: '[redacted]' },
    next: 'Write the URI without user and password and name their source: --credentials env:NAME or file:PATH. Change that password: process lists and the history of the shell may have shown it.',
  });
}
