import { isArray, isObject, type Json, type JsonObject } from './json.ts';
import { at, type Problem } from './problems.ts';

/** Checks StartAt, States and the ways between the states of one block; returns its states by name. */
export function checkBlock(
  block: JsonObject,
  path: string,
  problems: Problem[],
): readonly (readonly [string, JsonObject])[] {
  const { StartAt: startAt, States: states } = block;
  const report = (place: string, message: string) => problems.push({ path: place, message });
  if (!isObject(states) || Object.keys(states).length === 0) {
    report(at(path, 'States'), 'must be an object with at least one state');
    return [];
  }
  const targets = Object.entries(states).map(([name, state]) => ({
    name,
    ways: waysFrom(state, at(at(path, 'States'), name)),
  }));
  if (typeof startAt !== 'string') report(at(path, 'StartAt'), 'must be the name of a state');
  else targets.push({ name: '', ways: [{ to: startAt, path: at(path, 'StartAt') }] });
  for (const { to, path: place } of targets.flatMap(({ ways }) => ways)) {
    if (!Object.hasOwn(states, to)) report(place, `there is no state "${to}" in this block`);
  }
  const reached = reachable(new Map(targets.map(({ name, ways }) => [name, ways.map(({ to }) => to)])));
  for (const [name, state] of Object.entries(states)) {
    const place = at(at(path, 'States'), name);
    if (name === '' || name.length > 80) report(place, 'a state name has 1 to 80 characters');
    if (!isObject(state)) report(place, 'must be an object');
    if (typeof startAt === 'string' && !reached.has(name)) report(place, 'no way from StartAt leads to this state');
  }
  if (![...reached].some((name) => endsHere(states[name] ?? null)))
    report(path, 'no state that ends this block can be reached');
  return Object.entries(states).flatMap(([name, state]) => (isObject(state) ? [[name, state] as const] : []));
}

function endsHere(state: Json): boolean {
  return isObject(state) && (state['End'] === true || state['Type'] === 'Succeed' || state['Type'] === 'Fail');
}

interface Way {
  readonly to: string;
  readonly path: string;
}

function waysFrom(state: Json, path: string): readonly Way[] {
  if (!isObject(state)) return [];
  const way = (to: Json | undefined, place: string): readonly Way[] =>
    typeof to === 'string' ? [{ to, path: place }] : [];
  const list = (member: 'Choices' | 'Catch') => {
    const items = state[member];
    if (!isArray(items)) return [];
    return items.flatMap((item, index) =>
      isObject(item) ? way(item['Next'], at(at(at(path, member), index), 'Next')) : [],
    );
  };
  return [
    ...way(state['Next'], at(path, 'Next')),
    ...way(state['Default'], at(path, 'Default')),
    ...list('Choices'),
    ...list('Catch'),
  ];
}

/** Names reached from the entry '', which stands for StartAt. */
function reachable(ways: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [...(ways.get('') ?? [])];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    open.push(...(ways.get(name) ?? []));
  }
  return reached;
}
