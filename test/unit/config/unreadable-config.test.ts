import { describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../../src/config/config-problems.ts';
import { loadConfig } from '../../../src/config/load-config.ts';

const minimal = `
storages:
  laptop: { type: directory, path: ./backups }
deployments:
  orders:
    uri: mongodb://a:1,b:2/?replicaSet=rs0
`;

async function problemsOf(text: string): Promise<readonly ConfigProblem[]> {
  const error = await loadConfig('/etc/holdfast/holdfast.config.yaml', () => Promise.resolve(text)).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'InvalidConfig' });
  return (error as { readonly details: { readonly problems: readonly ConfigProblem[] } }).details.problems;
}

describe('a file that is no config', () => {
  it.each([
    ['nothing', ''],
    ['a list', '- a\n- b\n'],
    ['a number', '42'],
    ['empty sections', 'storages: {}\ndeployments: {}\n'],
    ['sections of null', 'storages:\ndeployments:\n'],
    [
      'names that are objects of the language',
      'storages: { __proto__: { type: directory, path: x } }\ndeployments: {}\n',
    ],
  ])('refuses a file that holds %s', async (_what, text) => {
    expect((await problemsOf(text)).length).toBeGreaterThan(0);
  });

  it('refuses text that is no YAML, with the line', async () => {
    const problems = await problemsOf(`${minimal}\n  - [`);
    expect(problems[0]?.line).toBeGreaterThan(5);
  });

  it('refuses a key that is written twice', async () => {
    const [problem] = await problemsOf(`${minimal}    uri: mongodb://other/\n`);
    expect(problem).toMatchObject({ line: 7 });
    expect(problem?.expected).toMatch(/unique/);
  });

  it('refuses aliases that multiply', async () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((key, index) => {
        const before = 'abcdefg'[index] ?? 'a';
        return `${key}: &${key} [${Array(9).fill(`*${before}`).join(',')}]`;
      }),
    ].join('\n');
    expect((await problemsOf(bomb)).length).toBeGreaterThan(0);
  });

  it('tells the first hundred problems of a file that has nothing but problems, and takes no minutes for it', async () => {
    const keys = Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join('\n');
    expect(await problemsOf(keys)).toHaveLength(100);
    expect(await problemsOf('storages: {}\n'.repeat(20_000))).toHaveLength(100);
  }, 20_000);

  it('says which file is missing', async () => {
    const error = await loadConfig('/nowhere/x.yaml', () =>
      Promise.reject(Object.assign(new Error('no'), { code: 'ENOENT' })),
    ).catch((reason: unknown) => reason);
    const message = 'The config file /nowhere/x.yaml cannot be read (ENOENT).';
    expect(error).toMatchObject({ name: 'InvalidConfig', message });
  });
});
