import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { allFunctions } from '../../lib/functions/function-list.ts';
import { withLiteralKeys } from '../../lib/literal-keys.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';

const { resolve } = createRequire(import.meta.url);
const schemas = join(dirname(resolve('@aws-sdk/client-ec2')), '../dist-es/schemas/schemas_0.js');

/** Where the module announces its error class: of no matter here. */
class Registry {
  registerError = () => undefined;
}

/** What a module of schemas exports, with its references to other schemas as they are written. */
function exportsOf(code: string): Record<string, unknown> {
  const script = code
    .replace(/^import .*$/gm, '')
    .replace(/^export (?:var|const) ([\w$]+)/gm, 'exported[`$1`] = globalThis[`$1`]');
  const exported: Record<string, unknown> = {};
  runInNewContext(script, { exported, TypeRegistry: Registry, EC2ServiceException: Error });
  return exported;
}

const written = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'function' ? String(one) : one));

describe('bundles', () => {
  it('hold no more than a function loads quickly: 2 MB, and half of it where only AWS is spoken to', () => {
    const { outdir } = sharedStage();
    const sizes = Object.entries(allFunctions).map(([name, { database }]) => {
      const { size } = statSync(join(outdir, 'built', 'functions', name, 'index.mjs'));
      return { name, size, most: database ? 2_000_000 : 1_000_000 };
    });
    expect(sizes.filter(({ size, most }) => size > most)).toEqual([]);
  });

  it('hold schemas of EC2 that say what they said before their keys were written out', () => {
    const code = readFileSync(schemas, 'utf8');
    const [before, after] = [exportsOf(code), exportsOf(withLiteralKeys(code))];
    expect(Object.keys(before).length).toBeGreaterThan(1000);
    expect(withLiteralKeys(code)).not.toMatch(/\[_\w+\]:/);
    expect(written(after)).toBe(written(before));
  });
});

describe('withLiteralKeys', () => {
  it('writes out what it knows and leaves everything else', () => {
    const code = 'const _a = "first";\nconst _b = make();\nvar x = [{ [_a]: _a, [_b]: 1, [_c]: 2 }, [_a]];';
    expect(withLiteralKeys(code)).toBe(
      'const _a = "first";\nconst _b = make();\nvar x = [{ "first": _a, [_b]: 1, [_c]: 2 }, [_a]];',
    );
  });
});
