import { placeResult, withinLimit } from '../data-flow.ts';
import type { Visit } from '../execution-scope.ts';
import type { Json } from '../json.ts';
import { fillTemplate } from '../payload-template.ts';
import type { ParallelState } from '../state-machine.ts';
import { runSiblings } from './siblings.ts';

/** Runs the branches side by side on the same input; the result is the list of their outputs, in the order of the branches. */
export async function runParallel(visit: Visit<ParallelState>): Promise<Json> {
  const { state, name, roots, branch, scope } = visit;
  const input = state.Parameters === undefined ? roots.data : fillTemplate(state.Parameters, roots);
  withinLimit(input, `The input of the state '${name}'`);
  const started = await scope.history.append('ParallelStateStarted', undefined, branch.cursor);
  try {
    const result = await runSiblings(state.Branches.length, state.Branches.length, branch.signal, (index, signal) => {
      const block = state.Branches[index];
      return block
        ? scope.runBranch(block, input, { ...branch, signal, cursor: { previous: started } }, scope)
        : Promise.resolve(null);
    });
    await scope.history.append('ParallelStateSucceeded', undefined, branch.cursor);
    return shapeResult(visit, result);
  } catch (error) {
    if (!branch.signal.aborted) await scope.history.append('ParallelStateFailed', undefined, branch.cursor);
    throw error;
  }
}

/** ResultSelector, then ResultPath: what Task, Map and Parallel do with their result. */
export function shapeResult(
  {
    state,
    name,
    roots,
    rawInput,
  }: Pick<Visit<ParallelState>, 'name' | 'roots' | 'rawInput'> & {
    readonly state: Pick<ParallelState, 'ResultSelector' | 'ResultPath'>;
  },
  result: Json,
): Json {
  withinLimit(result, `The result of the state '${name}'`);
  const selected =
    state.ResultSelector === undefined
      ? result
      : fillTemplate(state.ResultSelector, { data: result, context: roots.context });
  return placeResult(state.ResultPath, rawInput, selected);
}
