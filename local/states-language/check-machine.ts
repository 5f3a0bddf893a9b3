import { checkBlock } from './check-block.ts';
import { checkState } from './check-state.ts';
import { Checker } from './checker.ts';
import { isObject, type Json } from './json.ts';
import { at, type Problem } from './problems.ts';

/** Checks a whole definition: its fields, its states, and the ways between them, inside Map and Parallel too. */
export function checkMachine(definition: Json, problems: Problem[]): void {
  if (!isObject(definition)) {
    problems.push({ path: '$', message: 'must be an object' });
    return;
  }
  const checker = new Checker(definition, '$', problems);
  checker.onlyMembers(['Comment', 'StartAt', 'States', 'TimeoutSeconds', 'Version', 'QueryLanguage']);
  checker.optional('Comment', 'string');
  checker.optional('Version', 'string', (version) => (version === '1.0' ? undefined : 'must be "1.0"'));
  checker.seconds('TimeoutSeconds', 1);
  checker.queryLanguage();
  checkStates(definition, '$', problems, new Map(), false);
}

function checkStates(
  block: Json,
  path: string,
  problems: Problem[],
  names: Map<string, string>,
  insideMap: boolean,
): void {
  if (!isObject(block)) {
    problems.push({ path, message: 'must be an object with StartAt and States' });
    return;
  }
  const states = checkBlock(block, path, problems);
  for (const [name, state] of states) {
    const place = at(at(path, 'States'), name);
    const first = names.get(name);
    if (first === undefined) names.set(name, place);
    else
      problems.push({
        path: place,
        message: `a state of this name is at ${first}: names are unique in the whole machine`,
      });
    for (const nested of checkState(state, place, problems, insideMap)) {
      new Checker(nested.block, nested.path, problems).onlyMembers(nested.members);
      checkStates(nested.block, nested.path, problems, names, insideMap || nested.isItemProcessor);
    }
  }
}
