import { StateFailure } from './failures.ts';
import type { Roots } from './intrinsics.ts';
import { byteSize, type Json } from './json.ts';
import { parsePath, requirePath, writePath } from './json-path.ts';

/** Bytes that a state's input, its effective parameters, its result and its output may have (Step Functions quota, 256 KiB). */
export const maximumDataBytes = 262_144;

/** @throws StateFailure States.DataLimitExceeded */
export function withinLimit(value: Json, what: string): Json {
  if (byteSize(value) <= maximumDataBytes) return value;
  throw new StateFailure(
    'States.DataLimitExceeded',
    `${what} has a size exceeding the maximum number of bytes service limit (${maximumDataBytes}).`,
  );
}

/** The value at a path into the state's data or, with `$$`, the context object. @throws StateFailure States.Runtime */
export function readRoots(text: string, roots: Roots, field: string): Json {
  const path = parsePath(text);
  return requirePath(path, path.root === '$$' ? roots.context : roots.data, field);
}

/** InputPath and OutputPath: absent selects everything, null an empty object. @throws StateFailure States.Runtime */
export function selectPath(path: string | null | undefined, roots: Roots, field: 'InputPath' | 'OutputPath'): Json {
  if (path === null) return {};
  return path === undefined ? roots.data : readRoots(path, roots, field);
}

/**
 * ResultPath: absent or `$` replaces the state's raw input by the result, null keeps the input, any other Reference Path puts the
 * result into a copy of the input. @throws StateFailure States.ResultPathMatchFailure
 */
export function placeResult(path: string | null | undefined, rawInput: Json, result: Json): Json {
  if (path === null) return rawInput;
  return path === undefined ? result : writePath(parsePath(path), rawInput, result);
}
