/** The data that passes between states: what JSON can say, nothing else. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: Json;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

/** A copy that shares nothing with the caller and is JSON: undefined becomes null, dates become strings. @throws TypeError on a cycle or a BigInt */
export function toJson(value: unknown): Json {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : (JSON.parse(text) as Json);
}

/** Bytes of the value as UTF-8 JSON without white space: the measure of Step Functions' payload quota. */
export function byteSize(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value), 'utf8');
}

/** Equality of JSON values; the order of an object's members does not count. */
export function sameJson(left: Json, right: Json): boolean {
  if (isArray(left) || isArray(right)) {
    if (!isArray(left) || !isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => sameJson(item, right[index] ?? null));
  }
  if (isObject(left) && isObject(right)) {
    const members = Object.keys(left);
    if (members.length !== Object.keys(right).length) return false;
    return members.every((name) => Object.hasOwn(right, name) && sameJson(left[name] ?? null, right[name] ?? null));
  }
  return left === right;
}
