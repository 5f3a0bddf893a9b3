import { readRoots } from './data-flow.ts';
import { runtimeFailure } from './failures.ts';
import type { Roots } from './intrinsics.ts';
import { isArray, isObject, type Json } from './json.ts';
import { parsePath, readPath } from './json-path.ts';
import type { ChoiceRule } from './state-machine.ts';
import { parseTimestamp } from './timestamps.ts';

type Comparison = (order: number) => boolean;
const comparisons: Readonly<Record<string, Comparison>> = {
  Equals: (order) => order === 0,
  LessThan: (order) => order < 0,
  GreaterThan: (order) => order > 0,
  LessThanEquals: (order) => order <= 0,
  GreaterThanEquals: (order) => order >= 0,
};

const compare = <T>(left: T, right: T): number => (left < right ? -1 : left > right ? 1 : 0);

/** The order of two operands of one type; NaN, which satisfies no comparison, when either is of another type. */
const orders: Readonly<Record<string, (value: Json, operand: Json) => number>> = {
  String: (value, operand) =>
    typeof value === 'string' && typeof operand === 'string' ? compare(value, operand) : NaN,
  Numeric: (value, operand) =>
    typeof value === 'number' && typeof operand === 'number' ? compare(value, operand) : NaN,
  Boolean: (value, operand) =>
    typeof value === 'boolean' && typeof operand === 'boolean' ? compare(value, operand) : NaN,
  Timestamp: (value, operand) => {
    const left = timestampOf(value);
    const right = timestampOf(operand);
    return left === undefined || right === undefined ? NaN : compare(left, right);
  },
};

const timestampOf = (value: Json) => (typeof value === 'string' ? parseTimestamp(value) : undefined);

const kinds: Readonly<Record<string, (value: Json) => boolean>> = {
  IsNull: (value) => value === null,
  IsString: (value) => typeof value === 'string',
  IsNumeric: (value) => typeof value === 'number',
  IsBoolean: (value) => typeof value === 'boolean',
  IsTimestamp: (value) => timestampOf(value) !== undefined,
};

const operatorPattern = new RegExp(
  `^(?<type>String|Numeric|Timestamp|Boolean(?=Equals(?:Path)?$))(?<comparison>${Object.keys(comparisons).join('|')})(?:Path)?$`,
);

/** What kind of operand an operator takes; undefined for what is no operator. */
export function operandOf(operator: string): 'string' | 'number' | 'boolean' | 'timestamp' | 'path' | undefined {
  if (operator === 'StringMatches') return 'string';
  if (operator === 'IsPresent' || Object.hasOwn(kinds, operator)) return 'boolean';
  const type = operatorPattern.exec(operator)?.groups?.['type'];
  if (type === undefined) return undefined;
  if (operator.endsWith('Path')) return 'path';
  return type === 'Numeric' ? 'number' : (type.toLowerCase() as 'string' | 'boolean' | 'timestamp');
}

/** `*` stands for any characters, `\*` for an asterisk and `\\` for a backslash. */
function matchesPattern(text: string, pattern: string): boolean {
  const source = pattern.replaceAll(/\\([*\\])|\*|[^*\\]+|\\/gs, (part: string, escaped: string | undefined) =>
    part === '*' ? '.*' : RegExp.escape(escaped ?? part),
  );
  return new RegExp(`^${source}$`, 's').test(text);
}

function testVariable(operator: string, operand: Json, variable: string, roots: Roots): boolean {
  const path = parsePath(variable);
  const value = readPath(path, path.root === '$$' ? roots.context : roots.data);
  if (operator === 'IsPresent') return (value !== undefined) === operand;
  if (value === undefined) {
    throw runtimeFailure(`Invalid path '${variable}': The choice state's condition path references an invalid value.`);
  }
  const kind = kinds[operator];
  if (kind) return kind(value) === operand;
  if (operator === 'StringMatches') {
    return typeof value === 'string' && typeof operand === 'string' && matchesPattern(value, operand);
  }
  const byPath = operator.endsWith('Path') && typeof operand === 'string';
  return compares(operator, value, byPath ? readRoots(operand, roots, operator) : operand);
}

function compares(operator: string, value: Json, operand: Json): boolean {
  const groups = operatorPattern.exec(operator)?.groups;
  const order = orders[groups?.['type'] ?? '']?.(value, operand) ?? NaN;
  return !Number.isNaN(order) && (comparisons[groups?.['comparison'] ?? '']?.(order) ?? false);
}

const structural = new Set(['Next', 'Variable', 'Comment']);

/** The member of a rule that is its operator: And, Or, Not or a comparison. */
export function operatorsOf(rule: ChoiceRule): readonly string[] {
  return Object.keys(rule).filter((member) => !structural.has(member));
}

/** Whether a rule holds; And and Or stop at the first test that decides. @throws StateFailure States.Runtime for a path to nothing */
export function ruleHolds(rule: ChoiceRule, roots: Roots): boolean {
  const [operator = ''] = operatorsOf(rule);
  const operand = rule[operator] ?? null;
  if (operator === 'Not') return isObject(operand) && !ruleHolds(operand, roots);
  if (isArray(operand)) {
    const rules = operand as readonly ChoiceRule[];
    return operator === 'And'
      ? rules.every((each) => ruleHolds(each, roots))
      : rules.some((each) => ruleHolds(each, roots));
  }
  return testVariable(operator, operand, rule.Variable ?? '', roots);
}
