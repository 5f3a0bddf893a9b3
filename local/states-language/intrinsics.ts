import { intrinsicFunctions } from './intrinsic-functions.ts';
import { runtimeFailure } from './failures.ts';
import type { Json } from './json.ts';
import { type JsonPath, parsePath, PathSyntaxError, readPath } from './json-path.ts';

export type Expression =
  | { readonly kind: 'path'; readonly path: JsonPath }
  | { readonly kind: 'text'; readonly raw: string }
  | { readonly kind: 'literal'; readonly value: number | boolean | null }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] };

/** What paths are read from: the data of the state and the context object. */
export interface Roots {
  readonly data: Json;
  readonly context: Json;
}

const tokens = {
  space: /\s*/y,
  call: /(States\.\w+)\s*\(/y,
  text: /'((?:[^'\\]|\\.)*)'/y,
  number: /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y,
  word: /(?:true|false|null)(?!\w)/y,
  path: /\$(?:[^\s,()'[\]]|\[(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\]'"]*)\])*/y,
} as const;

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found) this.#position += found[0].length;
    return found;
  }

  /** Skips white space, then takes the character when it is next. */
  character(expected: string): boolean {
    this.take(tokens.space);
    if (!this.#text.startsWith(expected, this.#position)) return false;
    this.#position += expected.length;
    return true;
  }

  fail(expected: string): never {
    throw new PathSyntaxError(`"${this.#text}": expected ${expected} at "${this.#text.slice(this.#position)}"`);
  }

  end(): void {
    this.take(tokens.space);
    if (this.#position < this.#text.length) this.fail('the end');
  }
}

function readCall(reader: Reader, name: string): Expression {
  const definition = intrinsicFunctions.get(name);
  if (!definition) throw new PathSyntaxError(`${name} is not an intrinsic function this engine implements`);
  const values: Expression[] = [];
  if (!reader.character(')')) {
    do values.push(readExpression(reader));
    while (reader.character(','));
    if (!reader.character(')')) reader.fail('"," or ")"');
  }
  const [least, most] = definition.arity;
  if (values.length < least || values.length > most) {
    throw new PathSyntaxError(
      `${name} takes ${least === most ? least : `${least} to ${most}`} arguments, not ${values.length}`,
    );
  }
  return { kind: 'call', name, arguments: values };
}

function readExpression(reader: Reader): Expression {
  reader.take(tokens.space);
  const call = reader.take(tokens.call);
  if (call) return readCall(reader, call[1] ?? '');
  const text = reader.take(tokens.text);
  if (text) return { kind: 'text', raw: text[1] ?? '' };
  const path = reader.take(tokens.path);
  if (path) return { kind: 'path', path: parsePath(path[0]) };
  const literal = reader.take(tokens.word) ?? reader.take(tokens.number);
  if (literal) return { kind: 'literal', value: JSON.parse(literal[0]) as number | boolean | null };
  return reader.fail("a path, a 'text', a number, true, false, null or States.…(…)");
}

const parsed = new Map<string, Expression>();

/** Parses what may stand in a field that ends in `.$`: a path or an intrinsic function. @throws PathSyntaxError */
export function parseExpression(text: string): Expression {
  const known = parsed.get(text);
  if (known) return known;
  let expression: Expression;
  if (text.startsWith('States.')) {
    const reader = new Reader(text);
    expression = readExpression(reader);
    reader.end();
  } else {
    expression = { kind: 'path', path: parsePath(text) };
  }
  parsed.set(text, expression);
  return expression;
}

/** Every path in an expression, nested calls included. */
export function pathsOf(expression: Expression): readonly JsonPath[] {
  if (expression.kind === 'path') return [expression.path];
  return expression.kind === 'call' ? expression.arguments.flatMap(pathsOf) : [];
}

/** @throws StateFailure States.Runtime for a path to nothing, States.IntrinsicFailure for what a function refuses */
export function evaluate(expression: Expression, roots: Roots, field: string): Json {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'text':
      return expression.raw.replaceAll(/\\(.)/gs, '$1');
    case 'path': {
      const value = readPath(expression.path, expression.path.root === '$$' ? roots.context : roots.data);
      if (value !== undefined) return value;
      throw runtimeFailure(
        `The JSONPath '${expression.path.text}' specified for the field '${field}' could not be found in the input '${JSON.stringify(roots.data).slice(0, 1_000)}'`,
      );
    }
    case 'call': {
      // States.Format reads the escapes of its template itself: \{ is not a placeholder.
      const values = expression.arguments.map((argument, index) =>
        expression.name === 'States.Format' && index === 0 && argument.kind === 'text'
          ? argument.raw
          : evaluate(argument, roots, field),
      );
      return (intrinsicFunctions.get(expression.name)?.apply ?? (() => null))(values);
    }
  }
}
