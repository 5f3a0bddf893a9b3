import { ruleHolds } from '../choice-rules.ts';
import type { Visit } from '../execution-scope.ts';
import { StateFailure } from '../failures.ts';
import type { ChoiceState } from '../state-machine.ts';

/** The state that the first rule that holds leads to, or Default. @throws StateFailure States.NoChoiceMatched, States.Runtime */
export function runChoice({ name, state, roots }: Visit<ChoiceState>): string {
  const next = state.Choices.find((rule) => ruleHolds(rule, roots))?.Next ?? state.Default;
  if (next !== undefined) return next;
  throw new StateFailure(
    'States.NoChoiceMatched',
    `Failed to transition out of the state '${name}': no rule matched and there is no Default.`,
  );
}
