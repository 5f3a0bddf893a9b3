import { checkChoices } from './check-choices.ts';
import { checkCatch, checkRetry } from './check-errors.ts';
import { checkTask, waitsForToken } from './check-task.ts';
import { Checker } from './checker.ts';
import { isArray, isObject, type JsonObject } from './json.ts';
import { at, type Problem } from './problems.ts';
import { parseTimestamp } from './timestamps.ts';

/** A block of states inside a state. */
export interface NestedBlock {
  readonly block: JsonObject;
  readonly path: string;
  readonly members: readonly string[];
  readonly isItemProcessor: boolean;
}

const everywhere = ['Type', 'Comment', 'QueryLanguage'];
const data = ['InputPath', 'OutputPath'];
const onward = ['Next', 'End'];
const work = [...data, ...onward, 'Parameters', 'ResultSelector', 'ResultPath', 'Retry', 'Catch'];

const timeLimits = ['TimeoutSeconds', 'TimeoutSecondsPath', 'HeartbeatSeconds', 'HeartbeatSecondsPath'];
const mapOnly = ['ItemProcessor', 'Iterator', 'ItemsPath', 'ItemSelector', 'MaxConcurrency', 'MaxConcurrencyPath'];

/** The fields of each type that the engine implements; any other is refused. */
const membersByType: Readonly<Record<string, readonly string[]>> = {
  Task: [...work, 'Resource', ...timeLimits],
  Map: [...work, ...mapOnly],
  Parallel: [...work, 'Branches'],
  Pass: [...data, ...onward, 'Parameters', 'Result', 'ResultPath'],
  Wait: [...data, ...onward, 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  Choice: [...data, 'Choices', 'Default'],
  Succeed: data,
  Fail: ['Error', 'ErrorPath', 'Cause', 'CausePath'],
};

/** Checks one state; returns the blocks inside it, which are checked by the caller. */
export function checkState(
  state: JsonObject,
  path: string,
  problems: Problem[],
  insideMap: boolean,
): readonly NestedBlock[] {
  const type = state['Type'];
  const members = typeof type === 'string' && Object.hasOwn(membersByType, type) ? membersByType[type] : undefined;
  if (!members || typeof type !== 'string') {
    problems.push({ path: at(path, 'Type'), message: `must be one of ${Object.keys(membersByType).join(', ')}` });
    return [];
  }
  const checker = new Checker(state, path, problems, { token: false, map: insideMap });
  checker.onlyMembers([...everywhere, ...members]);
  checker.optional('Comment', 'string');
  checker.queryLanguage();
  if (members.includes('Next')) checkOnward(checker);
  checkDataFlow(checker);
  if (members.includes('Retry')) {
    checkRetry(checker);
    checkCatch(checker);
  }
  return checkKind(type, checker, problems, insideMap);
}

function checkOnward(checker: Checker): void {
  checker.exactlyOne('Next', 'End');
  checker.optional('Next', 'string');
  checker.optional('End', 'boolean', (end) => (end === true ? undefined : 'must be true where it is'));
}

function checkDataFlow(checker: Checker): void {
  checker.pathMember('InputPath', { nullable: true });
  checker.pathMember('OutputPath', { nullable: true });
  checker.pathMember('ResultPath', { nullable: true, reference: true, dataOnly: true });
  checker.optional('ResultSelector', 'object');
  if (checker.value['Type'] !== 'Task') checker.templateMember('ResultSelector');
}

function checkKind(type: string, checker: Checker, problems: Problem[], insideMap: boolean): readonly NestedBlock[] {
  switch (type) {
    case 'Task':
      checkTask(
        checker,
        new Checker(checker.value, checker.path, problems, { token: waitsForToken(checker.value), map: insideMap }),
      );
      return [];
    case 'Map':
      return checkMap(checker, problems);
    case 'Parallel':
      checker.templateMember('Parameters');
      return branches(checker);
    case 'Pass':
      checker.templateMember('Parameters');
      return [];
    case 'Wait':
      checkWait(checker);
      return [];
    case 'Choice':
      checkChoices(checker);
      return [];
    case 'Fail':
      checkFail(checker);
      return [];
    default:
      return [];
  }
}

function checkMap(checker: Checker, problems: Problem[]): readonly NestedBlock[] {
  checker.exactlyOne('ItemProcessor', 'Iterator');
  checker.atMostOne('ItemSelector', 'Parameters');
  checker.atMostOne('MaxConcurrency', 'MaxConcurrencyPath');
  checker.pathMember('ItemsPath', { reference: true });
  checker.integer('MaxConcurrency', 0, 99_999_999);
  checker.pathMember('MaxConcurrencyPath', { reference: true });
  // Inside ItemSelector, $$.Map.Item is the item that the input is made for.
  const selectors = new Checker(checker.value, checker.path, problems, { token: false, map: true });
  for (const member of ['ItemSelector', 'Parameters']) {
    selectors.optional(member, 'object');
    selectors.templateMember(member);
  }
  return ['ItemProcessor', 'Iterator'].flatMap((member) => {
    const block = checker.value[member];
    if (block === undefined) return [];
    const path = at(checker.path, member);
    if (!isObject(block)) {
      checker.report(member, 'must be an object with StartAt and States');
      return [];
    }
    const members = [
      'StartAt',
      'States',
      ...(member === 'ItemProcessor' ? ['ProcessorConfig', 'Comment'] : ['Comment']),
    ];
    if (member === 'ItemProcessor') checkProcessorConfig(block, path, problems);
    return [{ block, path, members, isItemProcessor: true }];
  });
}

function checkProcessorConfig(block: JsonObject, path: string, problems: Problem[]): void {
  const config = block['ProcessorConfig'];
  if (config === undefined) return;
  const place = at(path, 'ProcessorConfig');
  if (!isObject(config)) {
    problems.push({ path: place, message: 'must be an object' });
    return;
  }
  const checker = new Checker(config, place, problems);
  checker.onlyMembers(['Mode']);
  checker.optional('Mode', 'string', (mode) => (mode === 'INLINE' ? undefined : 'only INLINE is implemented'));
}

function branches(checker: Checker): readonly NestedBlock[] {
  const list = checker.value['Branches'];
  if (!isArray(list) || list.length === 0) {
    checker.report('Branches', 'must be an array with at least one branch');
    return [];
  }
  return list.flatMap((block, index) => {
    const path = at(at(checker.path, 'Branches'), index);
    if (isObject(block)) return [{ block, path, members: ['StartAt', 'States', 'Comment'], isItemProcessor: false }];
    checker.report('Branches', `item ${index} must be an object`);
    return [];
  });
}

function checkWait(checker: Checker): void {
  checker.exactlyOne('Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath');
  checker.seconds('Seconds', 0);
  checker.pathMember('SecondsPath', { reference: true });
  checker.pathMember('TimestampPath', { reference: true });
  checker.optional('Timestamp', 'string', (text) =>
    typeof text === 'string' && parseTimestamp(text) !== undefined
      ? undefined
      : 'must be an RFC 3339 timestamp with T and Z or an offset',
  );
}

/** The functions that Step Functions lets stand in ErrorPath and CausePath: those that make a string. */
const textFunctions = ['Format', 'JsonToString', 'ArrayGetItem', 'Base64Encode', 'Base64Decode', 'Hash', 'UUID'];

function checkFail(checker: Checker): void {
  for (const member of ['Error', 'Cause']) {
    checker.optional(member, 'string');
    checker.atMostOne(member, `${member}Path`);
    const path = checker.value[`${member}Path`];
    checker.expressionMember(`${member}Path`);
    if (typeof path !== 'string' || !path.startsWith('States.')) continue;
    const name = /^States\.(\w+)/.exec(path)?.[1] ?? '';
    if (!textFunctions.includes(name))
      checker.report(`${member}Path`, `States.${name} cannot stand here: it makes no string`);
  }
}
