import { evaluate, parseExpression, type Roots } from './intrinsics.ts';
import { isArray, isObject, type Json } from './json.ts';

/**
 * Fills a payload template (Parameters, ItemSelector, ResultSelector): a member whose name ends in `.$` gets the value of
 * its path or intrinsic function, under its name without `.$`; everything else is copied.
 * @throws StateFailure States.Runtime (path to nothing), States.IntrinsicFailure
 */
export function fillTemplate(template: Json, roots: Roots): Json {
  if (isArray(template)) return template.map((item) => fillTemplate(item, roots));
  if (!isObject(template)) return template;
  return Object.fromEntries(
    Object.entries(template).map(([name, value]) =>
      name.endsWith('.$') && typeof value === 'string'
        ? [name.slice(0, -2), evaluate(parseExpression(value), roots, name)]
        : [name, fillTemplate(value, roots)],
    ),
  );
}
