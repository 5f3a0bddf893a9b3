import { parseExpression, pathsOf } from './intrinsics.ts';
import { isArray, isObject, type Json, type JsonObject } from './json.ts';
import { type JsonPath, parsePath, PathSyntaxError } from './json-path.ts';
import { at, type Problem } from './problems.ts';
import { maximumSeconds } from './run-states/seconds.ts';

interface PathRules {
  /** Only one place may be named. */
  readonly reference?: boolean;
  /** Not into the context object. */
  readonly dataOnly?: boolean;
}

/** Which parts of the context object exist where a path stands. */
export interface ContextScope {
  readonly token: boolean;
  readonly map: boolean;
}

const contextMembers: Readonly<Record<string, readonly string[]>> = {
  Execution: ['Id', 'Input', 'Name', 'RoleArn', 'StartTime'],
  State: ['Name', 'EnteredTime', 'RetryCount'],
  StateMachine: ['Id', 'Name'],
  Task: ['Token'],
  Map: ['Item'],
};

/** Checks the members of one object of the file and reports what is wrong with them. */
export class Checker {
  readonly value: JsonObject;
  readonly path: string;
  readonly #problems: Problem[];
  readonly #context: ContextScope;

  constructor(
    value: JsonObject,
    path: string,
    problems: Problem[],
    context: ContextScope = { token: false, map: false },
  ) {
    this.value = value;
    this.path = path;
    this.#problems = problems;
    this.#context = context;
  }

  /** A checker of another object, where the same parts of the context object exist. */
  of(value: JsonObject, path: string): Checker {
    return new Checker(value, path, this.#problems, this.#context);
  }

  report(member: string | undefined, message: string): void {
    this.#problems.push({ path: member === undefined ? this.path : at(this.path, member), message });
  }

  has(member: string): boolean {
    return Object.hasOwn(this.value, member);
  }

  onlyMembers(members: readonly string[]): void {
    for (const member of Object.keys(this.value)) {
      if (!members.includes(member)) this.report(member, 'is not a field that this engine implements here');
    }
  }

  optional(member: string, type: 'string' | 'boolean' | 'object', rule?: (value: Json) => string | undefined): void {
    const value = this.value[member];
    if (value === undefined) return;
    const right = type === 'object' ? isObject(value) : typeof value === type;
    const message = right ? rule?.(value) : `must be ${type === 'object' ? 'an object' : `a ${type}`}`;
    if (message !== undefined) this.report(member, message);
  }

  required(member: string, type: 'string' | 'object'): void {
    if (this.has(member)) this.optional(member, type);
    else this.report(member, 'is missing');
  }

  atMostOne(...members: readonly string[]): void {
    const present = members.filter((member) => this.has(member));
    if (present.length > 1) this.report(undefined, `has ${present.join(' and ')}: only one of them may be there`);
  }

  exactlyOne(...members: readonly string[]): void {
    this.atMostOne(...members);
    if (!members.some((member) => this.has(member))) this.report(undefined, `needs ${members.join(' or ')}`);
  }

  integer(member: string, least: number, most: number): void {
    const value = this.value[member];
    if (value === undefined) return;
    const right = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
    if (!right) this.report(member, `must be an integer from ${least} to ${most}`);
  }

  seconds(member: string, least: number): void {
    this.integer(member, least, maximumSeconds);
  }

  queryLanguage(): void {
    this.optional('QueryLanguage', 'string', (language) =>
      language === 'JSONPath' ? undefined : 'only the JSONPath dialect is implemented',
    );
  }

  /** A member that is a path, or null where that has a meaning. */
  pathMember(member: string, rules: PathRules & { readonly nullable?: boolean } = {}): void {
    const value = this.value[member];
    if (value === undefined || (value === null && rules.nullable)) return;
    if (typeof value !== 'string') {
      this.report(member, 'must be a path');
      return;
    }
    this.#guarded(at(this.path, member), () => {
      const path = parsePath(value);
      if (rules.reference && !path.definite) this.report(member, 'must name one place: no wildcards or slices');
      if (rules.dataOnly && path.root === '$$') this.report(member, 'must not lead into the context object');
      this.#contextPath(path, at(this.path, member));
    });
  }

  /** A member that is a path or an intrinsic function. */
  expressionMember(member: string): void {
    const value = this.value[member];
    if (typeof value === 'string') this.#expression(value, at(this.path, member));
    else if (value !== undefined) this.report(member, 'must be a path or an intrinsic function');
  }

  /** A payload template; returns the paths in it. */
  templateMember(member: string): readonly JsonPath[] {
    const value = this.value[member];
    return value === undefined ? [] : this.#template(value, at(this.path, member));
  }

  #template(value: Json, path: string): readonly JsonPath[] {
    if (isArray(value)) return value.flatMap((item, index) => this.#template(item, at(path, index)));
    if (!isObject(value)) return [];
    return Object.entries(value).flatMap(([name, inner]) => {
      const place = at(path, name);
      if (!name.endsWith('.$')) return this.#template(inner, place);
      if (Object.hasOwn(value, name.slice(0, -2))) this.#note(place, `is there with and without ".$"`);
      if (typeof inner === 'string') return this.#expression(inner, place);
      this.#note(place, 'must be a path or an intrinsic function, because the name ends in ".$"');
      return [];
    });
  }

  #expression(text: string, path: string): readonly JsonPath[] {
    return (
      this.#guarded(path, () => {
        const paths = pathsOf(parseExpression(text));
        for (const found of paths) this.#contextPath(found, path);
        return paths;
      }) ?? []
    );
  }

  #contextPath(path: JsonPath, place: string): void {
    if (path.root !== '$$' || path.steps.length === 0) return;
    const [first, second] = path.steps.map((step) => (step.kind === 'member' ? step.name : ''));
    const members = Object.hasOwn(contextMembers, first ?? '') ? contextMembers[first ?? ''] : undefined;
    const known = members && (second === undefined || members.includes(second));
    if (!known) this.#note(place, `"${path.text}" is not in the context object`);
    else if (first === 'Task' && !this.#context.token)
      this.#note(place, 'only a task that waits for a token has $$.Task');
    else if (first === 'Map' && !this.#context.map) this.#note(place, '$$.Map exists only inside a Map');
  }

  #guarded<T>(path: string, check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof PathSyntaxError)) throw error;
      this.#note(path, error.message);
      return undefined;
    }
  }

  #note(path: string, message: string): void {
    this.#problems.push({ path, message });
  }
}
