import type { Visit } from '../execution-scope.ts';
import { runtimeFailure, StateFailure } from '../failures.ts';
import { evaluate, parseExpression, type Roots } from '../intrinsics.ts';
import type { FailState } from '../state-machine.ts';

/** Ends its path with the state's Error and Cause, fixed or from the state's input. @throws StateFailure always */
export function runFail({ state, roots }: Visit<FailState>): never {
  throw new StateFailure(
    state.Error ?? textAt(state.ErrorPath, roots, 'ErrorPath'),
    state.Cause ?? textAt(state.CausePath, roots, 'CausePath'),
  );
}

function textAt(expression: string | undefined, roots: Roots, field: string): string {
  if (expression === undefined) return '';
  const value = evaluate(parseExpression(expression), roots, field);
  if (typeof value === 'string') return value;
  throw runtimeFailure(`The ${field} '${expression}' of a Fail state must lead to a string.`);
}
