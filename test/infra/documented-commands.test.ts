import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { findMoto } from '../../local/servers/find-moto.ts';
import { argumentsOf, codeOf, documents, readDocument, root } from '../unit/docs/documents.ts';

/** Commands of other programs that the documents tell people to type, held against what those programs know. */
const typed = (program: RegExp) =>
  documents.flatMap((document) =>
    codeOf(readDocument(document)).flatMap((code) => {
      const argv = argumentsOf(program.exec(code)?.[1]);
      return argv === undefined ? [] : [{ document, code, argv }];
    }),
  );

describe('commands of the AWS CLI', () => {
  const commands = typed(/^aws (\S+ \S.*)$/);
  let models: string;

  beforeAll(async () => {
    models = join((await findMoto()).packages, 'botocore', 'data');
  }, 180_000);

  it('are shown', () => {
    expect(commands.length).toBeGreaterThan(3);
  });

  it.each(commands)('$document: $code', ({ argv: [command = '', operation = '', ...rest] }) => {
    // The one service whose commands have another name than its API.
    const service = command === 's3api' ? 's3' : command;
    const [version = ''] = readdirSync(join(models, service)).sort().slice(-1);
    const file = gunzipSync(readFileSync(join(models, service, version, 'service-2.json.gz')));
    const { operations, shapes } = JSON.parse(file.toString('utf8')) as {
      operations: Record<string, { input: { shape: string } }>;
      shapes: Record<string, { members: Record<string, unknown>; required?: string[] }>;
    };
    const called = Object.entries(operations).find(([name]) => kebab(name) === operation)?.[1];
    expect(called, `${service} ${operation}`).toBeDefined();
    const { members = {}, required = [] } = shapes[called?.input.shape ?? ''] ?? {};
    const flags = rest.filter((word) => word.startsWith('--')).map((word) => word.slice(2));
    const known = Object.keys(members).map(kebab);
    expect(flags.filter((flag) => !known.includes(flag))).toEqual([]);
    // A command's name alone is talk about it; anything more is something to type.
    if (rest.length === 0) return;
    expect(required.map(kebab).filter((name) => !flags.includes(name))).toEqual([]);
  });
});

function kebab(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

describe('commands of the CDK CLI', () => {
  const registry = JSON.parse(
    readFileSync(join(root, 'node_modules', 'aws-cdk', 'lib', 'cli', 'cli-type-registry.json'), 'utf8'),
  ) as {
    globalOptions: Record<string, { alias?: string | string[] }>;
    commands: Record<string, { options?: Record<string, { alias?: string | string[] }> }>;
  };
  const scripts = typed(/^npm run (?:synth|deploy) -- (\S.*)$/).map(({ argv, ...rest }) => ({
    ...rest,
    argv: ['deploy', ...argv],
  }));

  it.each([...typed(/^(?:npx )?cdk (\S.*)$/), ...scripts])('$document: $code', ({ argv: [command = '', ...rest] }) => {
    const known = registry.commands[command];
    expect(known, command).toBeDefined();
    const options = Object.entries({ ...registry.globalOptions, ...known?.options });
    const flags = options.flatMap(([name, { alias = [] }]) => [`--${name}`, ...[alias].flat().map((one) => `-${one}`)]);
    expect(rest.filter((word) => word.startsWith('-') && !flags.includes(word))).toEqual([]);
    const [, name] = /^config=(.*)$/.exec(rest.find((word) => word.startsWith('config=')) ?? '') ?? [];
    // The config that a reader has made, or one that is there.
    if (name !== undefined && name !== 'holdfast.config.yaml') readFileSync(join(root, name));
  });
});
