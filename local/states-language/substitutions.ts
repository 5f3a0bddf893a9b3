import { isArray, isObject, type Json } from './json.ts';
import { at, type Problem } from './problems.ts';

const placeholder = /\$\{([^}]*)\}/g;

/**
 * Replaces `${Name}` in every string, as CDK's definitionSubstitutions do at deployment. Reports placeholders without a
 * value, and values without a placeholder: either means that file and bindings have drifted apart.
 */
export function fillSubstitutions(
  definition: Json,
  substitutions: Readonly<Record<string, string>>,
  problems: Problem[],
): Json {
  const used = new Set<string>();
  const fill = (value: Json, path: string): Json => {
    if (typeof value === 'string') {
      return value.replaceAll(placeholder, (whole, name: string) => {
        used.add(name);
        if (Object.hasOwn(substitutions, name)) return substitutions[name] ?? whole;
        problems.push({ path, message: `nothing is bound to the substitution ${whole}` });
        return whole;
      });
    }
    if (isArray(value)) return value.map((item, index) => fill(item, at(path, index)));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fill(member, at(path, name))]));
  };
  const filled = fill(definition, '$');
  for (const name of Object.keys(substitutions)) {
    if (!used.has(name)) problems.push({ path: '$', message: `the file does not use the substitution \${${name}}` });
  }
  return filled;
}
