import type { z } from 'zod';
import { HoldfastError } from '../domain/errors.ts';
import { redactUri } from '../domain/mongodb-uri.ts';
import { laterKeys, laterValues } from './config-schema.ts';

export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong in the config file. */
export interface ConfigProblem {
  /** `deployments.orders.uri`; empty for the file as a whole. */
  readonly path: string;
  /** From 1; null when the file has no such place. */
  readonly line: number | null;
  /** What stands there, redacted. */
  readonly given: string;
  readonly expected: string;
  readonly next: string;
}

export type ProblemWithoutPlace = Omit<ConfigProblem, 'path' | 'line'> & { readonly path: ConfigPath };

/** Edits between two words (Levenshtein): what "did you mean" rests on. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known word that was probably meant; undefined when none is near. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const longer = known.filter((candidate) => lower.length > 2 && candidate.toLowerCase().startsWith(lower));
  if (longer.length === 1) return longer[0];
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

/** `deployments.*.limits` for `deployments.orders.limits`: names of deployments and storages become `*`. */
function pattern(path: ConfigPath): string {
  return path.map((key, index) => (index === 1 ? '*' : String(key))).join('.');
}

/** What stands at a path, in a form that may be shown. */
export function showValue(path: ConfigPath, value: unknown): string {
  if (value === undefined) return 'nothing';
  if (path.some((key) => /credential|password|secret/i.test(String(key)))) return '[not shown]';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const shown = /:\/\//.test(text) || path.at(-1) === 'uri' ? redactUri(text) : text;
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}

function unknownKeyProblem(parent: ConfigPath, key: string, known: readonly string[]): ProblemWithoutPlace {
  const path = [...parent, key];
  if (laterKeys[pattern(parent)]?.includes(key)) {
    return {
      path,
      given: key,
      expected: 'no such key: this release does not carry it out yet',
      next: `Remove ${key}. It is refused rather than ignored, so that nobody relies on it.`,
    };
  }
  const near = nearestWord(key, known);
  const keys = known.join(', ');
  return {
    path,
    given: key,
    expected: known.length === 0 ? 'no keys' : `one of ${keys}`,
    next: near === undefined ? 'Remove the key.' : `Did you mean ${near}?`,
  };
}

function expectedOf(issue: z.core.$ZodIssue, path: ConfigPath): string {
  if (/credentials$/i.test(String(path.at(-1)))) return '{ env: NAME }, { file: PATH } or a Secrets Manager ARN';
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) return 'directory or s3';
  return issue.message.replace(/^(Invalid (input|option)|Too (small|big)): /, '');
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string | number, unknown>)[key]
        : undefined,
    root,
  );
}

/** The problems that one issue of zod stands for. `knownKeys` tells which keys the schema has at a path. */
export function problemsOfIssue(
  issue: z.core.$ZodIssue,
  root: unknown,
  knownKeys: (path: ConfigPath) => readonly string[],
): ProblemWithoutPlace[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKeyProblem(path, key, knownKeys(path)));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues.map((inner) => inner.message.replace(/^expected /, '')).join('; ');
    return [{ path, given: String(path.at(-1)), expected, next: 'Rename it.' }];
  }
  const value = valueAt(root, path);
  const later = laterValues[pattern(path)]?.find((name) => name === value);
  return [
    {
      path,
      given: showValue(path, value),
      expected: expectedOf(issue, path).replace(/^expected /, ''),
      next: later
        ? `${later} is not in this release: write another value.`
        : value === undefined
          ? `Add ${path.at(-1) ?? 'it'}.`
          : 'Correct the value.',
    },
  ];
}

/** All problems of a file as one error: `details.problems` for machines, one line each for people. */
export function invalidConfig(file: string, problems: readonly ConfigProblem[]): HoldfastError {
  const lines = problems.map(
    ({ path, line, given, expected, next }) =>
      `  ${line === null ? '' : `line ${line}, `}${path === '' ? 'the file' : path}: given ${given}; expected ${expected}. ${next}`,
  );
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new HoldfastError('InvalidConfig', `${file} has ${count}:\n${lines.join('\n')}`, {
    details: { file, problems },
  });
}
