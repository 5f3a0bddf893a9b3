import { createHash, randomInt, randomUUID } from 'node:crypto';

import { StateFailure } from './failures.ts';
import { isArray, isObject, type Json, type JsonObject, sameJson } from './json.ts';

interface IntrinsicFunction {
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number];
  readonly apply: (values: readonly Json[]) => Json;
}

function fail(message: string): never {
  throw new StateFailure('States.IntrinsicFailure', message);
}

function textOf(value: Json | undefined, what: string): string {
  return typeof value === 'string' ? value : fail(`${what} must be a string`);
}

function arrayOf(value: Json | undefined, what: string): readonly Json[] {
  return isArray(value) ? value : fail(`${what} must be an array`);
}

function objectOf(value: Json | undefined, what: string): JsonObject {
  return isObject(value) ? value : fail(`${what} must be an object`);
}

/** Numbers that are not whole are rounded, as documented for ArrayRange, ArrayPartition, MathAdd and MathRandom. */
function integerOf(value: Json | undefined, what: string): number {
  return typeof value === 'number' ? Math.round(value) : fail(`${what} must be a number`);
}

/** The quota of Base64Encode, Base64Decode and Hash. */
function shortText(value: Json | undefined, what: string): string {
  const text = textOf(value, what);
  return text.length <= 10_000 ? text : fail(`${what} has more than 10,000 characters`);
}

function format([template, ...values]: readonly Json[]): Json {
  const rest = [...values];
  const text = textOf(template ?? null, 'The template of States.Format').replaceAll(
    /\\(.)|\{\}/gs,
    (placeholder: string, escaped: string | undefined) => {
      if (escaped !== undefined) return escaped;
      const value = rest.shift();
      if (value === undefined) return fail('States.Format has more {} than arguments');
      // Engines disagree on how an object is written, so none is accepted: use States.JsonToString.
      if (isObject(value) || isArray(value))
        return fail(`States.Format cannot write ${placeholder} from an object or array`);
      return typeof value === 'string' ? value : JSON.stringify(value);
    },
  );
  return rest.length === 0 ? text : fail('States.Format has more arguments than {}');
}

function stringToJson([text]: readonly Json[]): Json {
  try {
    return JSON.parse(textOf(text, 'The argument of States.StringToJson')) as Json;
  } catch (error) {
    if (error instanceof StateFailure) throw error;
    return fail('States.StringToJson: the text is not JSON');
  }
}

function arrayPartition([items, size]: readonly Json[]): Json {
  const list = arrayOf(items, 'The first argument of States.ArrayPartition');
  const length = integerOf(size, 'The chunk size');
  if (length < 1) fail('The chunk size must be positive');
  return Array.from({ length: Math.ceil(list.length / length) }, (_, index) =>
    list.slice(index * length, (index + 1) * length),
  );
}

function arrayRange(values: readonly Json[]): Json {
  const [first, last, step] = values.map((value) => integerOf(value, 'An argument of States.ArrayRange'));
  if (first === undefined || last === undefined || step === undefined)
    return fail('States.ArrayRange needs three numbers');
  if (step === 0) fail('The step of States.ArrayRange must not be 0');
  const length = Math.max(0, Math.floor((last - first) / step) + 1);
  if (length > 1_000) fail('States.ArrayRange makes at most 1,000 items');
  return Array.from({ length }, (_, index) => first + index * step);
}

function arrayGetItem([items, index]: readonly Json[]): Json {
  const list = arrayOf(items, 'The first argument of States.ArrayGetItem');
  const position = typeof index === 'number' && Number.isInteger(index) ? index : fail('The index must be an integer');
  const item = position < 0 ? undefined : list[position];
  return item ?? (position in list ? null : fail(`States.ArrayGetItem: there is no item ${position}`));
}

function arrayUnique([items]: readonly Json[]): Json {
  const unique: Json[] = [];
  for (const item of arrayOf(items, 'The argument of States.ArrayUnique')) {
    if (!unique.some((known) => sameJson(known, item))) unique.push(item);
  }
  return unique;
}

function base64Decode([text]: readonly Json[]): Json {
  const encoded = shortText(text, 'The argument of States.Base64Decode');
  const bytes = Buffer.from(encoded, 'base64');
  const canonical = (value: string) => value.replace(/=+$/, '');
  return canonical(bytes.toString('base64')) === canonical(encoded)
    ? bytes.toString('utf8')
    : fail('States.Base64Decode: the text is not Base64');
}

const hashAlgorithms: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

function hash([data, algorithm]: readonly Json[]): Json {
  const name = hashAlgorithms[textOf(algorithm, 'The algorithm')];
  if (!name) return fail(`States.Hash knows ${Object.keys(hashAlgorithms).join(', ')}`);
  return createHash(name).update(shortText(data, 'The data of States.Hash'), 'utf8').digest('hex');
}

function jsonMerge([left, right, deep]: readonly Json[]): Json {
  if (deep !== false) fail('States.JsonMerge: only the shallow merge (third argument false) exists');
  return { ...objectOf(left, 'The first argument'), ...objectOf(right, 'The second argument') };
}

function mathRandom(values: readonly Json[]): Json {
  const [start, end] = values.map((value) => integerOf(value, 'An argument of States.MathRandom'));
  if (start === undefined || end === undefined || start >= end)
    return fail('States.MathRandom: the start must be below the end');
  return randomInt(start, end);
}

function mathAdd(values: readonly Json[]): Json {
  const sum = values.reduce<number>((total, value) => total + integerOf(value, 'An argument of States.MathAdd'), 0);
  return sum === Math.trunc(sum) && Math.abs(sum + 0.5) <= 2 ** 31
    ? sum
    : fail('States.MathAdd: the sum leaves 32 bits');
}

function stringSplit([text, separators]: readonly Json[]): Json {
  const cut = new Set(textOf(separators, 'The separators'));
  const parts: string[] = [];
  let part = '';
  for (const character of textOf(text, 'The first argument of States.StringSplit')) {
    if (!cut.has(character)) part += character;
    else {
      parts.push(part);
      part = '';
    }
  }
  return [...parts, part].filter((piece) => piece !== '');
}

const define = (least: number, most: number, apply: IntrinsicFunction['apply']): IntrinsicFunction => ({
  arity: [least, most],
  apply,
});

/**
 * Every intrinsic function of the JSONPath dialect, by its name (Step Functions developer guide, "Intrinsics for JSONPath").
 * MathRandom takes no seed here: its documented results cannot be reproduced.
 */
export const intrinsicFunctions: ReadonlyMap<string, IntrinsicFunction> = new Map([
  ['States.Format', define(1, Infinity, format)],
  ['States.StringToJson', define(1, 1, stringToJson)],
  ['States.JsonToString', define(1, 1, ([value]) => JSON.stringify(value ?? null))],
  ['States.Array', define(0, Infinity, (values) => values)],
  ['States.ArrayPartition', define(2, 2, arrayPartition)],
  [
    'States.ArrayContains',
    define(2, 2, ([items, wanted]) =>
      arrayOf(items, 'The first argument').some((item) => sameJson(item, wanted ?? null)),
    ),
  ],
  ['States.ArrayRange', define(3, 3, arrayRange)],
  ['States.ArrayGetItem', define(2, 2, arrayGetItem)],
  ['States.ArrayLength', define(1, 1, ([items]) => arrayOf(items, 'The argument of States.ArrayLength').length)],
  ['States.ArrayUnique', define(1, 1, arrayUnique)],
  [
    'States.Base64Encode',
    define(1, 1, ([text]) =>
      Buffer.from(shortText(text, 'The argument of States.Base64Encode'), 'utf8').toString('base64'),
    ),
  ],
  ['States.Base64Decode', define(1, 1, base64Decode)],
  ['States.Hash', define(2, 2, hash)],
  ['States.JsonMerge', define(3, 3, jsonMerge)],
  ['States.MathRandom', define(2, 2, mathRandom)],
  ['States.MathAdd', define(2, 2, mathAdd)],
  ['States.StringSplit', define(2, 2, stringSplit)],
  ['States.UUID', define(0, 0, () => randomUUID())],
]);
