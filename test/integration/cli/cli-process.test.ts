import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { holdfast } from './holdfast-process.ts';

let cwd: string;
let closedPort: number;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  closedPort = await portThatRefuses();
  await writeFile(
    join(cwd, 'holdfast.config.yaml'),
    [
      'storages: { laptop: { type: directory, path: ./backups } }',
      'deployments:',
      `  orders: { uri: "mongodb://127.0.0.1:${closedPort}/?replicaSet=rs0" }`,
    ].join('\n'),
  );
});

afterAll(async () => {
  await rm(cwd, { recursive: true, force: true });
});

/** A port that was free a moment ago: nothing listens there. */
async function portThatRefuses(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 1;
}

describe('the command line as a process', () => {
  it('says its version', async () => {
    expect(await holdfast(['--version'], { cwd })).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it('lists all problems of a broken config at once and exits 2', async () => {
    const broken = join(cwd, 'broken.yaml');
    const text = [
      'storages: { laptop: { type: s4, path: ./backups } }',
      'deployments:',
      '  Orders: { uri: "mongodb://ada:hunter2@localhost/", storage: laptop }',
      '  shop: { uri: "mongodb://localhost/", storage: latop, shedules: {} }',
    ];
    await writeFile(broken, text.join('\n'));
    const { code, stdout, stderr } = await holdfast(['config', 'check', '--config', broken], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const path of [
      'storages.laptop',
      'deployments.Orders',
      'deployments.Orders.uri',
      'deployments.shop.storage',
    ]) {
      expect(stderr).toContain(`- ${path}`);
    }
    expect(stderr).toContain('deployments.shop.shedules');
    expect(stderr).toContain('HF-1001 InvalidConfig');
    expect(stderr).not.toContain('hunter2');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('checks a config that is right, as JSON', async () => {
    const { code, stdout, stderr } = await holdfast(['config', 'check', '--output', 'json'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ settings: { deployments: { orders: { storage: 'laptop' } } } });
  });

  it('ends with the error of a deployment that is not configured', async () => {
    const { code, stdout, stderr } = await holdfast(['backup', 'ordres', '--output', 'json'], { cwd });
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { name: 'UnknownDeployment', code: 'HF-1003' } });
    expect(stderr).toContain('orders');
  });

  it('ends with the error of a deployment that refuses the connection', async () => {
    const { code, stdout, stderr } = await holdfast(['backup', 'orders', '--output', 'json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({ error: { name: 'SourceUnreachable', code: 'HF-2001', kind: 'source' } });
    expect(code).toBe(3);
    expect(stderr).toContain(`127.0.0.1:${closedPort}`);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('lists nothing where nothing is', async () => {
    const { code, stdout } = await holdfast(['list', '--output', 'json'], { cwd });
    expect({ code, document: JSON.parse(stdout) as unknown }).toEqual({ code: 0, document: { backups: [] } });
  });

  it.each([
    ['describe', '20261122T101530Z-logical-k3f9', 'UnknownBackup'],
    ['status', 'no-such-run', 'UnknownRun'],
    ['cancel', 'no-such-run', 'UnknownRun'],
  ])('%s says that there is no %s', async (command, id, name) => {
    const { code, stdout, stderr } = await holdfast([command, id], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(name);
    expect(stderr).toContain(id);
  });
});
