import { operandOf, operatorsOf } from './choice-rules.ts';
import type { Checker } from './checker.ts';
import { isArray, isObject, type Json } from './json.ts';
import { at } from './problems.ts';
import { parseTimestamp } from './timestamps.ts';

/** Checks the rules and the Default of a Choice. */
export function checkChoices(checker: Checker): void {
  checker.optional('Default', 'string');
  const rules = checker.value['Choices'];
  if (!isArray(rules) || rules.length === 0) {
    checker.report('Choices', 'must be an array with at least one rule');
    return;
  }
  rules.forEach((rule, index) => {
    checkRule(checker, rule, at(at(checker.path, 'Choices'), index), true);
  });
}

function checkRule(outer: Checker, rule: Json, path: string, top: boolean): void {
  if (!isObject(rule)) {
    outer.of({}, path).report(undefined, 'must be an object');
    return;
  }
  const checker = outer.of(rule, path);
  checker.optional('Comment', 'string');
  if (top) checker.required('Next', 'string');
  else if (checker.has('Next')) checker.report('Next', 'may stand in the outermost rule only');
  const [operator, ...more] = operatorsOf(rule);
  if (operator === undefined || more.length > 0) {
    checker.report(undefined, 'needs exactly one comparison, And, Or or Not');
    return;
  }
  const operand = rule[operator] ?? null;
  if (operator === 'And' || operator === 'Or' || operator === 'Not') {
    checkCombination(checker, operator, operand);
    return;
  }
  if (!checker.has('Variable')) checker.report('Variable', 'is missing');
  checker.pathMember('Variable', { reference: true });
  checkOperand(checker, operator, operand);
}

function checkCombination(checker: Checker, operator: string, operand: Json): void {
  if (checker.has('Variable')) checker.report('Variable', `has no meaning beside ${operator}`);
  const path = at(checker.path, operator);
  if (operator === 'Not') {
    checkRule(checker, operand, path, false);
    return;
  }
  if (!isArray(operand) || operand.length === 0) {
    checker.report(operator, 'must be an array with at least one rule');
    return;
  }
  operand.forEach((rule, index) => {
    checkRule(checker, rule, at(path, index), false);
  });
}

function checkOperand(checker: Checker, operator: string, operand: Json): void {
  const expected = operandOf(operator);
  if (expected === undefined) {
    checker.report(operator, 'is not a comparison of the States Language');
  } else if (expected === 'path') {
    checker.pathMember(operator, { reference: true });
  } else if (expected === 'timestamp') {
    const right = typeof operand === 'string' && parseTimestamp(operand) !== undefined;
    if (!right) checker.report(operator, 'must be an RFC 3339 timestamp');
  } else if (typeof operand !== expected) {
    checker.report(operator, `must be a ${expected}`);
  }
}
