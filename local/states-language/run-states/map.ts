import { readRoots, withinLimit } from '../data-flow.ts';
import type { Visit } from '../execution-scope.ts';
import { runtimeFailure } from '../failures.ts';
import { isArray, isObject, type Json } from '../json.ts';
import { fillTemplate } from '../payload-template.ts';
import type { MapState, StatesBlock } from '../state-machine.ts';
import { shapeResult } from './parallel.ts';
import { secondsFrom } from './seconds.ts';
import { runSiblings } from './siblings.ts';

/** Items that an inline Map runs at a time, whatever MaxConcurrency says (Step Functions quota). */
const inlineConcurrency = 40;

/** Runs the item processor once per item; the result is the list of outputs in the order of the items. */
export async function runMap(visit: Visit<MapState>): Promise<Json> {
  const { state, name, roots, branch, scope } = visit;
  const items = state.ItemsPath === undefined ? roots.data : readRoots(state.ItemsPath, roots, 'ItemsPath');
  if (!isArray(items))
    throw runtimeFailure(`The ItemsPath '${state.ItemsPath ?? '$'}' of the state '${name}' must lead to an array.`);
  const block = state.ItemProcessor ?? state.Iterator;
  if (!block) throw runtimeFailure(`The state '${name}' has no item processor.`);
  const asked = secondsFrom(state.MaxConcurrency, state.MaxConcurrencyPath, roots, 'MaxConcurrencyPath') ?? 0;
  const limit = asked === 0 ? inlineConcurrency : Math.min(asked, inlineConcurrency);
  const started = await scope.history.append('MapStateStarted', { length: items.length }, branch.cursor);
  try {
    const result = await runSiblings(items.length, limit, branch.signal, (index, signal) =>
      runItem(visit, block, { Item: { Index: index, Value: items[index] ?? null } }, index, signal, started),
    );
    await scope.history.append('MapStateSucceeded', undefined, branch.cursor);
    return shapeResult(visit, result);
  } catch (error) {
    if (!branch.signal.aborted) await scope.history.append('MapStateFailed', undefined, branch.cursor);
    throw error;
  }
}

async function runItem(
  { state, name, roots, scope }: Visit<MapState>,
  block: StatesBlock,
  map: { readonly Item: { readonly Index: number; readonly Value: Json } },
  index: number,
  signal: AbortSignal,
  started: number,
): Promise<Json> {
  const cursor = { previous: started };
  const details = { name, index };
  const note = (type: string) => scope.history.append(`MapIteration${type}`, details, cursor);
  await note('Started');
  try {
    const template = state.ItemSelector ?? state.Parameters;
    const context = isObject(roots.context) ? { ...roots.context, Map: map } : map;
    const input = template === undefined ? map.Item.Value : fillTemplate(template, { data: roots.data, context });
    withinLimit(input, `The input of item ${index} of the state '${name}'`);
    const output = await scope.runBranch(block, input, { signal, cursor, map }, scope);
    await note('Succeeded');
    return output;
  } catch (error) {
    await note(signal.aborted ? 'Aborted' : 'Failed');
    throw error;
  }
}
