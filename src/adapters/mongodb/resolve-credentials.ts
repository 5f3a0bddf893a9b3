import { readFile, stat } from 'node:fs/promises';
import { HoldfastError } from '../../domain/errors.ts';
import { Secret } from '../../domain/secret.ts';
import type { CredentialsSource } from '../../domain/settings.ts';

export interface ResolveCredentialsOptions {
  /** Where `{ env: NAME }` is looked up; the process's environment when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Reads a secret by its ARN; an ARN is refused when left out, as in embedded mode. */
  readonly readSecret?: (arn: string) => Promise<string>;
  /** Told when a credentials file is readable by others than its owner. */
  readonly warn?: (message: string) => void;
}

function unavailable(problem: string, next?: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CredentialsUnavailable', problem, { ...(next && { next }), cause });
}

async function readCredentialsFile(file: string, warn: ResolveCredentialsOptions['warn']): Promise<string> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) {
      warn?.(`The credentials file ${file} may be read by other users of this machine: chmod 600 ${file}`);
    }
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'failed';
    throw unavailable(`The credentials file ${file} cannot be read (${code}).`, undefined, error);
  }
}

/**
 * Reads credentials from where the config says. The text is a mongodb:// URI, JSON or `user:password`
 * (see {@link parseCredentials}); one trailing line break is dropped.
 * @returns undefined when the deployment has none configured.
 * @throws CredentialsUnavailable
 */
export async function resolveCredentials(
  source: CredentialsSource | undefined,
  options: ResolveCredentialsOptions = {},
): Promise<Secret | undefined> {
  if (source === undefined) return undefined;
  if (typeof source === 'string') {
    if (options.readSecret !== undefined) return secretOf(await options.readSecret(source), `secret ${source}`);
    throw unavailable(
      'The credentials are named by a Secrets Manager ARN, which embedded mode does not read.',
      'Write credentials: { env: NAME } or { file: PATH }.',
    );
  }
  const place = 'env' in source ? `environment variable ${source.env}` : `file ${source.file}`;
  const text =
    'env' in source
      ? (options.environment ?? process.env)[source.env]
      : await readCredentialsFile(source.file, options.warn);
  if (text === undefined) throw unavailable(`The ${place} with the credentials is not set.`);
  return secretOf(text, place);
}

function secretOf(text: string, place: string): Secret {
  const trimmed = text.replace(/\r?\n$/, '');
  if (trimmed.trim() === '') throw unavailable(`The ${place} with the credentials is empty.`);
  return new Secret(trimmed);
}
