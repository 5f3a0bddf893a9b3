import type { Checker } from './checker.ts';
import { isArray, isObject, type Json } from './json.ts';
import { at } from './problems.ts';

/** The reserved names that ErrorEquals may list here. Those of dialects and fields that are refused anyway are not among them. */
const reservedNames: ReadonlySet<string> = new Set([
  'States.ALL',
  'States.BranchFailed',
  'States.DataLimitExceeded',
  'States.HeartbeatTimeout',
  'States.IntrinsicFailure',
  'States.NoChoiceMatched',
  'States.ParameterPathFailure',
  'States.Permissions',
  'States.ResultPathMatchFailure',
  'States.TaskFailed',
  'States.Timeout',
]);

export function checkRetry(checker: Checker): void {
  for (const retrier of entries(checker, 'Retry')) {
    retrier.onlyMembers([
      'ErrorEquals',
      'IntervalSeconds',
      'MaxAttempts',
      'BackoffRate',
      'MaxDelaySeconds',
      'JitterStrategy',
      'Comment',
    ]);
    retrier.integer('IntervalSeconds', 1, 99_999_999);
    retrier.integer('MaxAttempts', 0, 99_999_999);
    retrier.integer('MaxDelaySeconds', 1, 31_622_400);
    const { BackoffRate: rate, MaxDelaySeconds: longest, IntervalSeconds: first = 1 } = retrier.value;
    if (rate !== undefined && !(typeof rate === 'number' && rate >= 1))
      retrier.report('BackoffRate', 'must be a number of at least 1');
    if (typeof longest === 'number' && typeof first === 'number' && longest <= first) {
      retrier.report('MaxDelaySeconds', 'must be greater than IntervalSeconds');
    }
    retrier.optional('JitterStrategy', 'string', (strategy) =>
      strategy === 'FULL' || strategy === 'NONE' ? undefined : 'must be FULL or NONE',
    );
  }
}

export function checkCatch(checker: Checker): void {
  for (const catcher of entries(checker, 'Catch')) {
    catcher.onlyMembers(['ErrorEquals', 'Next', 'ResultPath', 'Comment']);
    catcher.required('Next', 'string');
    catcher.pathMember('ResultPath', { nullable: true, reference: true, dataOnly: true });
  }
}

/** The retriers or catchers of a state, with their ErrorEquals checked. */
function entries(checker: Checker, member: 'Retry' | 'Catch'): readonly Checker[] {
  const list = checker.value[member];
  if (list === undefined) return [];
  if (!isArray(list)) {
    checker.report(member, 'must be an array');
    return [];
  }
  return list.flatMap((entry, index) => {
    const path = at(at(checker.path, member), index);
    if (!isObject(entry)) {
      checker.of({}, path).report(undefined, 'must be an object');
      return [];
    }
    const entryChecker = checker.of(entry, path);
    entryChecker.optional('Comment', 'string');
    checkErrorEquals(entryChecker, entry['ErrorEquals'], index === list.length - 1);
    return [entryChecker];
  });
}

function checkErrorEquals(checker: Checker, names: Json | undefined, last: boolean): void {
  if (!isArray(names) || names.length === 0 || !names.every((name) => typeof name === 'string')) {
    checker.report('ErrorEquals', 'must be an array of at least one error name');
    return;
  }
  for (const name of names) {
    if (name.startsWith('States.') && !reservedNames.has(name)) {
      checker.report(
        'ErrorEquals',
        name === 'States.Runtime'
          ? 'States.Runtime always ends the execution: nothing catches it'
          : `there is no error ${name}`,
      );
    }
  }
  if (!names.includes('States.ALL')) return;
  if (names.length > 1) checker.report('ErrorEquals', 'States.ALL must stand alone');
  if (!last) checker.report('ErrorEquals', 'States.ALL must be in the last entry');
}
