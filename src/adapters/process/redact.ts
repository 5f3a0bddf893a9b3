import { Secret } from '../../domain/secret.ts';

const redacted = '[redacted]';
const secretName = /^(password|passwd|pwd|passphrase|secret|token|tasktoken|authorization|credentials?)$/i;
/** The user part of a URI, up to the last "@" before the next blank: a password may hold "@" and "/" against the rules. */
const uriUser = /\b(mongodb(?:\+srv)?:\/\/)\S*@/gi;
const longestText = 8192;
const deepest = 8;

/** A text without the users and passwords of the MongoDB URIs in it. */
export function redactText(text: string): string {
  const cut = text.length > longestText ? `${text.slice(0, longestText)}… (${text.length} characters)` : text;
  return cut.replace(uriUser, `$1${redacted}@`);
}

/** Anything as small JSON without secrets: errors with their causes, no bytes, no cycles. Never throws. */
export function toLogValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return redacted;
  if (depth >= deepest) return '[deeper]';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Error) return errorFields(value, depth);
  if (Array.isArray(value)) return value.map((item) => toLogValue(item, depth + 1));
  return objectFields(value, depth);
}

function errorFields(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return {
    name,
    message: redactText(message),
    ...objectFields(error, depth),
    ...(stack !== undefined && { stack: redactText(stack) }),
    ...(cause !== undefined && { cause: toLogValue(cause, depth + 1) }),
  };
}

function objectFields(value: object, depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    try {
      const field: unknown = Reflect.get(value, key);
      fields[key] = secretName.test(key) && field !== undefined ? redacted : toLogValue(field, depth + 1);
    } catch (error) {
      fields[key] = `[unreadable: ${error instanceof Error ? error.message : String(error)}]`;
    }
  }
  return fields;
}
