import { runtimeFailure, StateFailure } from './failures.ts';
import { isArray, isObject, type Json } from './json.ts';

type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'every' }
  | { readonly kind: 'slice'; readonly from: number | undefined; readonly to: number | undefined };

/** A parsed path of the States Language. `root` tells the state's data (`$`) from the context object (`$$`). */
export interface JsonPath {
  readonly text: string;
  readonly root: '$' | '$$';
  readonly steps: readonly Step[];
  /** Whether it names one place (a Reference Path) and not a list of matches. */
  readonly definite: boolean;
}

/** What is wrong with a path's text; the loader turns it into a problem of the file. */
export class PathSyntaxError extends Error {
  override readonly name = 'PathSyntaxError';
}

const patterns = {
  member: /\.([^\s.[\]()'",*?@:$\\]+)/y,
  everyMember: /\.\*/y,
  quoted: /\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*\]/y,
  index: /\[\s*(-?\d+)\s*\]/y,
  everyItem: /\[\s*\*\s*\]/y,
  slice: /\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*\]/y,
} as const;

const asInteger = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

function readStep(text: string, position: number): { step: Step; end: number } {
  const match = (pattern: RegExp) => {
    pattern.lastIndex = position;
    return pattern.exec(text);
  };
  const found = (part: RegExpExecArray, step: Step) => ({ step, end: position + part[0].length });
  const every = match(patterns.everyMember) ?? match(patterns.everyItem);
  if (every) return found(every, { kind: 'every' });
  const member = match(patterns.member);
  if (member) return found(member, { kind: 'member', name: member[1] ?? '' });
  const quoted = match(patterns.quoted);
  if (quoted) {
    return found(quoted, { kind: 'member', name: (quoted[1] ?? quoted[2] ?? '').replaceAll(/\\(.)/gs, '$1') });
  }
  const index = match(patterns.index);
  if (index) return found(index, { kind: 'index', index: Number(index[1]) });
  const slice = match(patterns.slice);
  if (slice) return found(slice, { kind: 'slice', from: asInteger(slice[1]), to: asInteger(slice[2]) });
  throw new PathSyntaxError(
    `"${text}" is not a path this engine evaluates: at "${text.slice(position)}" expected .name, ['name'], [0], [*] or [1:2] (no filters, unions, recursion or functions)`,
  );
}

const parsed = new Map<string, JsonPath>();

/**
 * Parses `$…` or `$$…`: members, indexes (negative from the end), wildcards and slices. Filters, unions, recursive descent
 * and functions are refused, and so are variables (`$name`).
 * @throws PathSyntaxError
 */
export function parsePath(text: string): JsonPath {
  const known = parsed.get(text);
  if (known) return known;
  const root = text.startsWith('$$') ? '$$' : '$';
  if (!text.startsWith('$')) throw new PathSyntaxError(`"${text}" is not a path: it does not start with $`);
  const steps: Step[] = [];
  for (let position = root.length; position < text.length;) {
    const { step, end } = readStep(text, position);
    steps.push(step);
    position = end;
  }
  const definite = steps.every((step) => step.kind === 'member' || step.kind === 'index');
  const path: JsonPath = { text, root, steps, definite };
  parsed.set(text, path);
  return path;
}

function memberOf(value: Json, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function matches(value: Json, step: Step): readonly Json[] | undefined {
  if (step.kind === 'member') {
    const member = memberOf(value, step.name);
    return member === undefined ? undefined : [member];
  }
  if (step.kind === 'index') {
    const item = isArray(value) ? value.at(step.index) : undefined;
    return item === undefined ? undefined : [item];
  }
  if (step.kind === 'slice') return isArray(value) ? value.slice(step.from, step.to) : undefined;
  if (isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

/**
 * The value at a definite path, or the list of matches of any other path. `undefined` when there is nothing: a definite
 * part that leads nowhere. After the first wildcard or slice what is missing is left out instead (Jayway's rule, which
 * Step Functions follows), so a list may be empty.
 */
export function readPath(path: JsonPath, root: Json): Json | undefined {
  let found: readonly Json[] = [root];
  let definite = true;
  for (const step of path.steps) {
    const next: Json[] = [];
    for (const value of found) {
      const here = matches(value, step);
      if (here === undefined && definite) return undefined;
      next.push(...(here ?? []));
    }
    if (step.kind === 'every' || step.kind === 'slice') definite = false;
    found = next;
  }
  return path.definite ? found[0] : found;
}

/** {@link readPath}, where nothing is an error of the state. `field` names where the path stands. @throws StateFailure States.Runtime */
export function requirePath(path: JsonPath, root: Json, field: string): Json {
  const value = readPath(path, root);
  if (value === undefined) {
    throw runtimeFailure(
      `The JSONPath '${path.text}' specified for the field '${field}' could not be found in the input '${JSON.stringify(root).slice(0, 1_000)}'`,
    );
  }
  return value;
}

/**
 * A copy of `root` with `value` at the Reference Path; members that are missing on the way are created, array items must exist.
 * @throws StateFailure States.ResultPathMatchFailure
 */
export function writePath(path: JsonPath, root: Json, value: Json): Json {
  return writeAt(path, 0, root, value);
}

function writeAt(path: JsonPath, position: number, at: Json | undefined, value: Json): Json {
  const step = path.steps[position];
  if (step === undefined) return value;
  if (step.kind === 'member' && (at === undefined || isObject(at))) {
    const inner = at === undefined ? undefined : memberOf(at, step.name);
    return { ...at, [step.name]: writeAt(path, position + 1, inner, value) };
  }
  if (step.kind === 'index' && isArray(at) && at.at(step.index) !== undefined) {
    return at.with(step.index, writeAt(path, position + 1, at.at(step.index), value));
  }
  throw new StateFailure(
    'States.ResultPathMatchFailure',
    `Unable to apply ResultPath '${path.text}': step ${position + 1} does not fit what is there`,
  );
}
