import fc from 'fast-check';

/** Lengths and flags that parsers trip over. */
const nastyInts = [0, 1, 4, 5, -1, -2147483648, 2147483647, 0x01000000, 0x7fffff00, 0xff];

type Mutate = (bytes: Buffer, at: number) => Buffer;

const mutation: fc.Arbitrary<Mutate> = fc.oneof(
  fc.constant<Mutate>((bytes, at) => bytes.subarray(0, at)),
  fc.constant<Mutate>((bytes, at) => bytes.subarray(at)),
  fc.nat(7).map(
    (bit): Mutate =>
      (bytes, at) =>
        changed(bytes, at, (bytes[at] ?? 0) ^ (1 << bit)),
  ),
  fc.nat(255).map(
    (value): Mutate =>
      (bytes, at) =>
        changed(bytes, at, value),
  ),
  fc.constantFrom(...nastyInts).map(
    (value): Mutate =>
      (bytes, at) =>
        withInt32(bytes, at, value),
  ),
  fc.uint8Array({ maxLength: 12 }).map(
    (more): Mutate =>
      (bytes, at) =>
        Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]),
  ),
  fc.nat(64).map(
    (length): Mutate =>
      (bytes, at) =>
        Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
  ),
  fc.nat(64).map(
    (length): Mutate =>
      (bytes, at) =>
        Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]),
  ),
);

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  if (at < copy.length) copy[at] = value;
  return copy;
}

function withInt32(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  if (at + 4 <= copy.length) copy.writeInt32LE(value | 0, at);
  return copy;
}

/** A seed after a few cuts, flips, insertions and repetitions. */
export function mutated(seed: Buffer): fc.Arbitrary<Buffer> {
  const steps = fc.array(fc.tuple(mutation, fc.nat(Math.max(1, seed.length))), { minLength: 1, maxLength: 3 });
  return steps.map((all) => all.reduce((bytes, [mutate, at]) => mutate(bytes, Math.min(at, bytes.length)), seed));
}

export const garbage = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const deep = (depth: number): Json => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as Json;

/** What no writer writes, and a hostile one might. */
const nastyValues: readonly Json[] = [
  ...[null, true, {}, [], [null], '', ' ', -1, 0, 1, 2, 1.5, 2 ** 31, 2 ** 53, 1e308, -0],
  ...['..', '../../other', '/etc/passwd', 'a\u0000b', '\u001b[2Jx', 'x\nERROR forged', '\ud800', '__proto__'],
  ...[{ toString: 1, valueOf: 1 }, { constructor: null }, deep(50), 'A'.repeat(5000), '0'.repeat(64), 'no-dot'],
];

/** Every place of a document: the path to each of its values. */
function pathsOf(value: Json, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

function replaced(value: Json, path: readonly string[], by: (old: Json | undefined) => Json | undefined): Json {
  const [key, ...rest] = path;
  if (key === undefined) return by(value) ?? null;
  if (typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, Json>;
  const child = copy[key] ?? null;
  if (rest.length > 0) copy[key] = replaced(child, rest, by);
  else {
    const next = by(child);
    // The path was made for the document before the first change: what is an array now has a length of its own.
    if (Array.isArray(copy) && key === 'length') return copy;
    if (next === undefined) Reflect.deleteProperty(copy, key);
    else copy[key] = next;
  }
  return copy;
}

/** A JSON document with one or two of its values replaced, removed, or extended by a member that nobody knows. */
export function mutatedJson(seed: Json): fc.Arbitrary<Json> {
  const paths = pathsOf(seed);
  const change: fc.Arbitrary<(old: Json | undefined) => Json | undefined> = fc.oneof(
    fc.constantFrom(...nastyValues).map((value) => () => value),
    fc.jsonValue({ maxDepth: 3 }).map((value) => () => value as Json),
    fc.constant(() => undefined),
    fc.constant((old: Json | undefined) =>
      typeof old === 'object' && old !== null && !Array.isArray(old) ? { ...old, unknown: 1 } : 'x',
    ),
    fc.constant((old: Json | undefined) => (Array.isArray(old) ? [...old, ...old, null] : [old ?? null])),
  );
  const steps = fc.array(fc.tuple(fc.constantFrom(...paths), change), { minLength: 1, maxLength: 2 });
  return steps.map((all) => all.reduce((value, [path, by]) => replaced(value, path, by), seed));
}
