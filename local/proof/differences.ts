import { isDeepStrictEqual } from 'node:util';
import type { DeploymentState } from './deployment-state.ts';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const short = (value: unknown) => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

/** Indexes are named, so that a difference names the index and not its place in a list. */
function named(value: unknown): unknown {
  if (!Array.isArray(value) || value.length === 0) return value;
  const entries = value.map((item: unknown) =>
    isObject(item) && typeof item['name'] === 'string' ? item['name'] : '',
  );
  return entries.includes('') ? value : Object.fromEntries(value.map((item: unknown, n) => [entries[n] ?? '', item]));
}

// Key order matters in specifications (of indexes, for one), and isDeepStrictEqual does not see it.
const same = (a: unknown, b: unknown) => isDeepStrictEqual(a, b) && JSON.stringify(a) === JSON.stringify(b);

function compare(path: readonly string[], left: unknown, right: unknown, found: string[]): void {
  if (same(left, right)) return;
  const [a, b] = [named(left), named(right)];
  const keys = isObject(a) && isObject(b) ? [...new Set([...Object.keys(a), ...Object.keys(b)])] : [];
  const before = found.length;
  if (isObject(a) && isObject(b)) for (const key of keys) compare([...path, key], a[key], b[key], found);
  if (found.length === before) found.push(`${path.join(' › ')}: expected ${short(left)}, got ${short(right)}`);
}

/**
 * Every difference as one line, `shop › collections › orders › count: expected 3, got 2`; none when both are equal.
 * Users and roles are compared when `expected` has them.
 */
export function findDifferences(expected: DeploymentState, actual: DeploymentState): string[] {
  const found: string[] = [];
  compare([], expected.databases, actual.databases, found);
  if (expected.users !== undefined) compare(['users'], expected.users, actual.users, found);
  if (expected.roles !== undefined) compare(['roles'], expected.roles, actual.roles, found);
  return found;
}
