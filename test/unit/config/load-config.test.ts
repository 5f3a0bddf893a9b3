import { describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../../src/config/config-problems.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

const file = '/etc/holdfast/holdfast.config.yaml';

const load = (text: string, files: Record<string, string> = {}) =>
  loadConfig(file, (path) => {
    const found = { [file]: text, ...files }[path];
    return found === undefined
      ? Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
      : Promise.resolve(found);
  });

async function problemsOf(text: string, files?: Record<string, string>): Promise<readonly ConfigProblem[]> {
  const error = await load(text, files).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  expect((error as HoldfastError).name).toBe('InvalidConfig');
  return (error as HoldfastError).details['problems'] as readonly ConfigProblem[];
}

const minimal = `
storages:
  laptop: { type: directory, path: ./backups }
deployments:
  orders:
    uri: mongodb://a:1,b:2/?replicaSet=rs0
`;
const withOrders = (lines: string) => `${minimal}    ${lines}\n`;

describe('loadConfig', () => {
  it('fills in every default and makes paths absolute against the file', async () => {
    expect(await load(minimal)).toEqual({
      schemaVersion: 1,
      stage: 'local',
      stateDir: '/etc/holdfast/.holdfast',
      storages: { laptop: { name: 'laptop', type: 'directory', path: '/etc/holdfast/backups' } },
      deployments: {
        orders: {
          name: 'orders',
          uri: 'mongodb://a:1,b:2/?replicaSet=rs0',
          storage: 'laptop',
          member: { prefer: 'hidden', allowSecondary: true, allowPrimary: false, maxLagSeconds: 20 },
          compression: { codec: 'zstd' },
          limits: { parallel: 4 },
        },
      },
    });
  });

  it('takes over everything that this release carries out', async () => {
    const settings = await load(
      `
stage: test
stateDir: /var/lib/holdfast
storages:
  laptop: { type: directory, path: /srv/a }
  nas: { type: directory, path: /srv/b }
deployments:
  orders:
    uri: mongodb://a:1/?replicaSet=rs0&tls=true
    credentials: { env: ORDERS }
    restoreCredentials: { file: ./restore-user }
    method: logical
    storage: nas
    tls: { caFile: ca.pem }
    member: { prefer: secondary, host: "a:1", tag: use=backup, allowPrimary: true, maxLagSeconds: 5 }
    compression: { codec: none }
    limits: { parallel: 8, bandwidth: 1.5MiB/s }
`,
      { '/etc/holdfast/ca.pem': '-----BEGIN CERTIFICATE-----\nabc\n' },
    );
    expect(settings.stateDir).toBe('/var/lib/holdfast');
    expect(settings.deployments['orders']).toEqual({
      name: 'orders',
      uri: 'mongodb://a:1/?replicaSet=rs0&tls=true',
      credentials: { env: 'ORDERS' },
      restoreCredentials: { file: '/etc/holdfast/restore-user' },
      method: 'logical',
      storage: 'nas',
      tls: { ca: '-----BEGIN CERTIFICATE-----\nabc\n' },
      member: {
        prefer: 'secondary',
        host: 'a:1',
        tag: 'use=backup',
        allowSecondary: true,
        allowPrimary: true,
        maxLagSeconds: 5,
      },
      compression: { codec: 'none' },
      limits: { parallel: 8, bandwidth: 1_572_864 },
    });
  });

  it('reports all problems at once, in the order of the file, each with its line', async () => {
    const problems = await problemsOf(`stage: Prod
storages:
  laptop: { type: directory, path: ./backups }
  cloud: { type: azure, account: acme }
deployments:
  orders:
    uri: mongodb://a/
    storage: latop
    member: { maxLag: 3 }
    limits: { parallel: 0 }
  Bad_Name:
    uri: nonsense
    storage: laptop
    tls: { caFile: nowhere.pem }
`);
    expect(problems.map(({ path, line }) => `${line ?? '-'} ${path}`)).toEqual([
      '1 stage',
      '4 storages.cloud.type',
      '8 deployments.orders.storage',
      '9 deployments.orders.member.maxLag',
      '10 deployments.orders.limits.parallel',
      '11 deployments.Bad_Name',
      '12 deployments.Bad_Name.uri',
      '14 deployments.Bad_Name.tls.caFile',
    ]);
    for (const problem of problems) {
      expect(problem.given, problem.path).not.toBe('');
      expect(problem.expected, problem.path).not.toBe('');
      expect(problem.next, problem.path).not.toBe('');
    }
  });

  it.each([
    ['compression: { codec: gzip, level: 12 }', 'given 12; expected a level that fits: gzip takes 1 to 9.'],
    ['compression: { codec: none, level: 1 }', 'given 1; expected a level that fits: none takes none.'],
    ['compression: { level: 22 }', 'given 22; expected number to be <=19.'],
    ['compression: { codec: lz4 }', 'given lz4; expected'],
  ])('says which levels a codec takes: %s', async (line, message) => {
    await expect(load(withOrders(line))).rejects.toMatchObject({
      name: 'InvalidConfig',
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ['crednetials: { env: A }', 'deployments.orders.crednetials', 'Did you mean credentials?'],
    ['member: { maxLag: 3 }', 'deployments.orders.member.maxLag', 'Did you mean maxLagSeconds?'],
    ['compression: { levl: 3 }', 'deployments.orders.compression.levl', 'Did you mean level?'],
    ['zzzzzz: 1', 'deployments.orders.zzzzzz', 'Remove the key.'],
    ['storage: latop', 'deployments.orders.storage', 'Did you mean laptop?'],
  ])('answers %s with what was probably meant', async (line, path, next) => {
    const [problem, ...others] = await problemsOf(withOrders(line));
    expect(problem).toMatchObject({ path, next });
    expect(others).toEqual([]);
  });

  it.each([
    ['drills: {}', 'drills'],
    ['objectives: { rpo: 5m }', 'objectives'],
  ])('refuses what a later release will carry out, and says so: %s', async (line, key) => {
    const problems = await problemsOf(withOrders(line));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ path: `deployments.orders.${key}` });
    expect(problems[0]?.expected).toContain('this release does not carry it out yet');
  });

  it('takes the full version of a mongod whose files it can restore, and no other', async () => {
    const settings = await load(withOrders('mongodbVersion: 6.0.5'));
    expect(settings.deployments['orders']?.mongodbVersion).toBe('6.0.5');
    expect(await problemsOf(withOrders('mongodbVersion: "6.0"'))).toMatchObject([
      { path: 'deployments.orders.mongodbVersion', expected: expect.stringContaining('full version') as string },
    ]);
    expect(await problemsOf(withOrders('mongodbVersion: 7.0.14'))).toMatchObject([
      { path: 'deployments.orders.mongodbVersion', expected: expect.stringContaining('a version of 6.0') as string },
    ]);
  });

  it('archives into the storage of the deployment, for eight days, unless it is told otherwise', async () => {
    const settings = await load(withOrders('oplogArchive: { enabled: true }'));
    expect(settings.deployments['orders']?.oplogArchive).toEqual({
      ...{ enabled: true, storage: 'laptop', retention: { days: 8 }, newBaseOnGap: true, verify: 'all' },
    });
    const problems = await problemsOf(withOrders('oplogArchive: { enabled: true, storage: latop }'));
    expect(problems).toMatchObject([{ path: 'deployments.orders.oplogArchive.storage', next: 'Did you mean laptop?' }]);
  });

  it.each([
    ['200MiB/s', 209_715_200],
    ['200 MB/s', 200_000_000],
    ['1GiB/s', 1_073_741_824],
    ['1048.576kB/s', 1_048_576],
  ])('reads the bandwidth %s', async (text, bandwidth) => {
    const settings = await load(withOrders(`limits: { bandwidth: ${text} }`));
    expect(settings.deployments['orders']?.limits.bandwidth).toBe(bandwidth);
  });

  it.each(['200', '200MiB', '200Mib/s', '-1MiB/s', '1023KiB/s', '0MB/s', `${'9'.repeat(30)}GiB/s`, '[1]'])(
    'refuses the bandwidth %s once, and says what one looks like',
    async (text) => {
      const problems = await problemsOf(withOrders(`limits: { bandwidth: ${text} }`));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatchObject({ path: 'deployments.orders.limits.bandwidth' });
      expect(problems[0]?.expected).toContain('such as 200MiB/s');
    },
  );

  it.each([
    ['uri', minimal.replace('mongodb://a:1', 'mongodb://user:hunter2@a:1'), /without user and password/],
    ['uri', minimal.replace('mongodb://a:1', 'mongodb://user:hunt/er2@a:1'), /connection string/],
    ['credentials', withOrders('credentials: hunter2'), /env: NAME/],
    ['credentials', withOrders('credentials: { password: hunter2 }'), /env: NAME/],
    ['password', withOrders('password: hunter2'), /one of/],
  ])('never repeats a secret that was written in the wrong place: %s', async (key, text, expected) => {
    const error = (await load(text).catch((reason: unknown) => reason)) as HoldfastError;
    expect(error.message).not.toMatch(/hunter2|er2@/);
    expect(JSON.stringify(error.details)).not.toMatch(/hunter2|er2@/);
    const [problem] = error.details['problems'] as ConfigProblem[];
    expect(problem?.path).toBe(`deployments.orders.${key}`);
    expect(problem?.expected).toMatch(expected);
  });

  it.each([
    ['replicaSt=rs0', 'Did you mean replicaSet?'],
    ['tlsInsecure=true', /Certificates are always verified/],
    ['tlsCAFile=x', /tls.caFile/],
    ['readPreference=primary', /Remove the option/],
  ])('refuses the option %s of a connection string', async (option, next) => {
    const [problem] = await problemsOf(minimal.replace('replicaSet=rs0', option));
    expect(problem?.next).toMatch(next);
  });

  it.each([
    ['a storage within the state folder', 'stateDir: /x', 'path: /x/backups'],
    ['the state folder within a storage', 'stateDir: /x/state', 'path: /x'],
    ['the same folder twice', 'stateDir: /x', 'path: /x/../x/.'],
  ])('refuses folders that lie in one another: %s', async (_name, stateDir, path) => {
    const problems = await problemsOf(`${stateDir}\n${minimal.replace('path: ./backups', path)}`);
    expect(problems).toMatchObject([{ path: 'storages.laptop.path' }]);
  });

  it('accepts folders side by side whose names begin alike', async () => {
    const text = `stateDir: /x/a\n${minimal.replace('path: ./backups', 'path: /x/ab')}`;
    expect((await load(text)).storages['laptop']).toMatchObject({ path: '/x/ab' });
  });

  it('demands a choice where there are several storages', async () => {
    const text = minimal.replace('deployments:', '  nas: { type: directory, path: ./nas }\ndeployments:');
    expect(await problemsOf(text)).toMatchObject([
      { path: 'deployments.orders.storage', expected: 'one of laptop, nas' },
    ]);
  });

  it('refuses a CA file that holds a private key', async () => {
    const problems = await problemsOf(withOrders('tls: { caFile: /ca.pem }'), {
      '/ca.pem': '-----BEGIN PRIVATE KEY-----',
    });
    expect(problems).toMatchObject([{ path: 'deployments.orders.tls.caFile', given: '/ca.pem' }]);
  });
});
