/**
 * Writes the keys of a generated module out: `{ [_xN]: 1 }` becomes `{ "xmlName": 1 }`, where the module has
 * `const _xN = "xmlName";`. Nothing else changes. esbuild can't know that a computed key does nothing when it is computed, so
 * it keeps every constant that has one, whether it is used or not.
 */
export function withLiteralKeys(code: string): string {
  const constants = new Map(
    [...code.matchAll(/^const (_\w+) = ("[\w.:-]+");$/gm)].map(([, name = '', text = '']) => [name, text]),
  );
  return code.replace(/\[(_\w+)\]:/g, (all, name: string) => {
    const text = constants.get(name);
    return text === undefined ? all : `${text}:`;
  });
}
