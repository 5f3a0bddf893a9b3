import { parseDocument } from 'yaml';

import { HoldfastError } from '../../src/domain/errors.ts';
import { checkMachine } from './check-machine.ts';
import { isArray, isObject, type Json } from './json.ts';
import type { Problem } from './problems.ts';
import type { StateMachine } from './state-machine.ts';
import { fillSubstitutions } from './substitutions.ts';

/**
 * Reads a state machine file of the JSONPath dialect and checks that the engine implements every part of it. What it does not
 * implement is refused here, never ignored at run time.
 *
 * @param text the JSON of the file
 * @param substitutions the values of its `${Name}` placeholders; each must be used, and none may be left over
 * @param name for $$.StateMachine.Name and ARNs
 * @throws HoldfastError InvalidStateMachine with all problems, one a line, each with its JSONPath; `details.problems` has them as data
 */
export function loadStateMachine(
  text: string,
  substitutions: Readonly<Record<string, string>>,
  name = 'StateMachine',
): StateMachine {
  const problems: Problem[] = [];
  const definition = parseText(text, problems);
  if (definition !== undefined) {
    problems.push(...duplicateMembers(text));
    const filled = fillSubstitutions(definition, substitutions, problems);
    checkMachine(filled, problems);
    if (problems.length === 0 && isObject(filled)) return { ...(deepFreeze(filled) as unknown as StateMachine), name };
  }
  const lines = problems.map((problem) => `${problem.path}: ${problem.message}`);
  throw new HoldfastError(
    'InvalidStateMachine',
    `The state machine has ${lines.length} problem(s):\n${lines.join('\n')}`,
    {
      details: { problems: problems.map(({ path, message }) => ({ path, message })) },
    },
  );
}

function parseText(text: string, problems: Problem[]): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    problems.push({ path: '$', message: `not JSON: ${error instanceof Error ? error.message : String(error)}` });
    return undefined;
  }
}

/** JSON.parse keeps the last of two members of one name and says nothing: two states of one name would be one. */
function duplicateMembers(text: string): readonly Problem[] {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  return document.errors
    .filter((error) => error.code === 'DUPLICATE_KEY')
    .map((error) => ({
      path: '$',
      message: `line ${error.linePos?.[0].line ?? '?'}: two members of one object have the same name`,
    }));
}

function deepFreeze(value: Json): Json {
  if (isArray(value)) value.forEach(deepFreeze);
  else if (isObject(value)) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
