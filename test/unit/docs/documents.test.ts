import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunCommand } from '../../../cli/command-runner.ts';
import { buildProgram } from '../../../cli/program.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { errorRegistry } from '../../../src/domain/error-registry.ts';
import { runFake } from '../cli/fake-environment.ts';
import { anchorsOf, codeOf, documents, holdfastArguments, readDocument, root } from './documents.ts';

const codes = documents.flatMap((document) => codeOf(readDocument(document)).map((code) => ({ document, code })));
const commands = [
  ...codes,
  // What errors tell people to do is documentation too.
  ...Object.entries(errorRegistry).flatMap(([name, { next }]) =>
    codeOf(next).map((code) => ({ document: name, code })),
  ),
].flatMap(({ document, code }) => {
  const argv = holdfastArguments(code);
  return argv === undefined ? [] : [{ document, code, argv }];
});

const program = (run: RunCommand) => buildProgram({ run, now: () => new Date(), writeOut: () => undefined });

/** Parses with the real grammar and does nothing. */
async function parse(argv: readonly string[]): Promise<boolean> {
  let reached = false;
  const run = () => {
    reached = true;
    return Promise.resolve();
  };
  await program(run).parseAsync(argv, { from: 'user' });
  return reached;
}

describe('the documents', () => {
  it('show commands at all', () => {
    expect(commands.length).toBeGreaterThan(20);
    expect(new Set(commands.map(({ argv }) => argv[0])).size).toBeGreaterThan(7);
  });

  const names = program(() => Promise.resolve()).commands.map((command) => command.name());
  it.each(commands)('$document: $code is a command', async ({ argv }) => {
    // A command's name alone is talk about it; anything more is something to type.
    if (argv.length === 1 && names.includes(argv[0] ?? '')) return;
    if (argv[0] === '--version') expect((await runFake(argv)).code).toBe(0);
    else expect(await parse(argv)).toBe(true);
  });

  const executable = commands.filter(({ argv }) => argv.some((word) => /^examples\/.*\.yaml$/.test(word)));
  const offline = executable.filter(
    ({ argv }) =>
      argv[0] === 'roles' ||
      (argv[0] === 'config' && !argv.includes('--connect')) ||
      (argv[0] === 'forecast' && argv.includes('--size')),
  );
  it.each(offline)('$document: $code does what it says', async ({ argv }) => {
    const here = argv.map((word) => (word.startsWith('examples/') ? join(root, word) : word));
    expect(await runFake(here)).toMatchObject({ code: 0, stderr: '' });
  });

  it('show commands that need no deployment', () => {
    expect(offline.length).toBeGreaterThan(1);
  });

  const scripts = codes.flatMap(({ document, code }) => {
    const name = /^npm (?:run (?:-\S+ )*)?(\S+)/.exec(code)?.[1];
    return name === undefined || ['ci', 'exec', 'install'].includes(name) ? [] : [{ document, name }];
  });
  it.each(scripts)('$document: npm script $name exists', ({ name }) => {
    expect(Object.keys(packageJson.scripts)).toContain(name);
  });

  const links = documents.flatMap((document) =>
    [...readDocument(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map((match) => ({
      document,
      link: match[1] ?? '',
    })),
  );
  it.each(links)('$document: the link $link leads somewhere', ({ document, link }) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? document : join(dirname(document), path);
    expect(existsSync(join(root, target))).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(readDocument(target))).toContain(anchor);
  });

  it('explain every error that the CLI links to', () => {
    const anchors = anchorsOf(readDocument('docs/errors.md'));
    for (const { code } of Object.values(errorRegistry)) expect(anchors).toContain(code.toLowerCase());
  });

  it('begin with a README of one screen', () => {
    expect(readDocument('README.md').split('\n').length).toBeLessThanOrEqual(80);
  });

  it('name tests of the rules that are there', () => {
    const table = readDocument('docs/developer-guide/testing.md').split('## Consistency rules')[1] ?? '';
    const named = [...table.matchAll(/`((?:unit|integration|e2e|full)\/[^`]*)`/g)].map(
      ([, path]) => `test/${path ?? ''}`,
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('list every decision', () => {
    const listed = readDocument('docs/adr/README.md');
    const files = documents
      .filter((path) => /^docs\/adr\/\d{4}-/.test(path))
      .map((path) => path.replace('docs/adr/', ''));
    expect(files.filter((file) => !listed.includes(`(${file})`))).toEqual([]);
    expect(new Set(files.map((file) => file.slice(0, 4))).size).toBe(files.length);
  });
});
