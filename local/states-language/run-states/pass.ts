import { placeResult } from '../data-flow.ts';
import type { Visit } from '../execution-scope.ts';
import type { Json } from '../json.ts';
import { fillTemplate } from '../payload-template.ts';
import type { PassState } from '../state-machine.ts';

export function runPass({ state, roots, rawInput }: Visit<PassState>): Json {
  const input = state.Parameters === undefined ? roots.data : fillTemplate(state.Parameters, roots);
  return placeResult(state.ResultPath, rawInput, state.Result === undefined ? input : state.Result);
}
