import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import type { Secret } from '../../domain/secret.ts';
import type { AccessKey } from './s3-place.ts';

const jsonSchema = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
});

function refuse(problem: string): never {
  throw new HoldfastError('CredentialsUnavailable', `The credentials of the storage cannot be used: ${problem}.`, {
    next: 'Write ACCESS_KEY_ID:SECRET_ACCESS_KEY, or {"accessKeyId": …, "secretAccessKey": …, "sessionToken"?: …}.',
  });
}

/**
 * Understands the two forms of an access key: `ID:SECRET`, or JSON `{"accessKeyId","secretAccessKey","sessionToken"?}`.
 * @throws CredentialsUnavailable; the message never quotes the text.
 */
export function parseAccessKey(credentials: Secret): AccessKey {
  const text = credentials.reveal().trim();
  if (text.startsWith('{')) return fromJson(text);
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) return refuse('they have no id before and no secret after a colon');
  return { accessKeyId: text.slice(0, colon), secretAccessKey: text.slice(colon + 1) };
}

function fromJson(text: string): AccessKey {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('they begin like JSON and are none');
  }
  const parsed = jsonSchema.safeParse(value);
  if (!parsed.success) {
    return refuse('the JSON must have accessKeyId and secretAccessKey, may have sessionToken, and nothing else');
  }
  const { sessionToken, ...key } = parsed.data;
  return sessionToken === undefined ? key : { ...key, sessionToken };
}
