import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { type ProcessResult, startHoldfast } from './holdfast-process.ts';

const documents = 5000;
const rolesSchema = z.object({
  users: z.object({ backup: z.string(), restore: z.string() }),
  roles: z.record(z.string(), z.object({ createRole: z.string() }).loose()),
});
const backupSchema = z.object({
  run: z.object({ runId: z.string(), status: z.string() }),
  backup: z.object({ backupId: z.string(), totals: z.object({ documents: z.int() }) }).loose(),
});

let cwd: string;
let source: ReplicaSetServers;
let target: StandaloneServer;
const env: Record<string, string> = {};

/** A command with the credentials that the config names in its environment. */
const start = (...argv: readonly string[]) => startHoldfast(argv, { cwd, env });
const run = (...argv: readonly string[]): Promise<ProcessResult> => start(...argv).ended;
const asJson = (result: ProcessResult): unknown => JSON.parse(result.stdout);

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  const members = [{}, { hidden: true, votes: 0, priority: 0 } as const];
  [source, target] = await Promise.all([startReplicaSet({ auth: true, members }), startStandalone({ auth: true })]);
  const credentials = 'credentials: { env: ORDERS }, restoreCredentials: { env: TARGET }';
  const text = [
    'storages: { laptop: { type: directory, path: ./backups } }',
    'deployments:',
    `  orders: { uri: "${source.uri}", ${credentials} }`,
    // The same set: what is cancelled while it dumps has to take a while.
    `  slow: { uri: "${source.uri}", ${credentials}, compression: { level: 19 } }`,
  ];
  await writeFile(join(cwd, 'holdfast.config.yaml'), text.join('\n'));
  const shop = source.client().db('shop').collection<{ _id: number; text: string }>('orders');
  await shop.insertMany(Array.from({ length: documents }, (_, n) => ({ _id: n, text: `order ${n}` })));
  await shop.createIndex({ text: 1 });
  const noise = Array.from({ length: 12 }, (_, n) => ({ _id: n, text: randomBytes(1 << 19).toString('hex') }));
  await source.client().db('shop').collection<{ _id: number; text: string }>('noise').insertMany(noise);
  await createUsers();
});

afterAll(async () => {
  await Promise.all([source.stop(), target.stop()]);
  await rm(cwd, { recursive: true, force: true });
});

/** The users that `holdfast roles` names, with nothing but its roles. */
async function createUsers(): Promise<void> {
  const { users, roles } = rolesSchema.parse(asJson(await run('roles', 'orders', '--output', 'json')));
  const servers = { backup: [source.client(), 'ORDERS'], restore: [target.client(), 'TARGET'] } as const;
  for (const kind of ['backup', 'restore'] as const) {
    const [client, variable] = servers[kind];
    const role = roles[kind];
    if (role === undefined) throw new Error(`holdfast roles names no role for ${kind}`);
    const admin = client.db('admin');
    await admin.command(role);
    await admin.command({ createUser: users[kind], pwd: 'a b:c@d/e', roles: [role.createRole] });
    env[variable] = `${users[kind]}:a b:c@d/e`;
  }
}

describe('the command line against a replica set', () => {
  let backupId: string;

  it('tries the config, and says what a backup would do', async () => {
    const { code, stdout } = await run('config', 'check', '--connect');
    expect(stdout).toContain(`would read  ${source.hidden.host}`);
    expect(code).toBe(0);
  });

  it('backs it up with the user that it asked for', async () => {
    const result = await run('backup', 'orders', '--label', 'why=test', '--output', 'json');
    expect(result.stderr).toContain('Dump Collections');
    expect(result.code).toBe(0);
    const { run: ended, backup } = backupSchema.parse(asJson(result));
    expect(ended.status).toBe('succeeded');
    expect(backup.totals.documents).toBeGreaterThanOrEqual(documents);
    expect(backup).toMatchObject({
      deployment: 'orders',
      labels: { why: 'test' },
      parts: [{ member: source.hidden.host }],
    });
    expect(result.stdout + result.stderr).not.toContain('a b:c');
    backupId = backup.backupId;
  });

  it('lists and describes it', async () => {
    expect(asJson(await run('list', 'orders', '--since', '1h', '--output', 'json'))).toMatchObject({
      backups: [{ backupId, deployment: 'orders', storage: 'laptop', method: 'logical' }],
    });
    expect(asJson(await run('list', 'orders', '--since', '2099-01-01', '--output', 'json'))).toEqual({ backups: [] });
    const { code, stdout } = await run('describe', backupId, '--collections');
    expect(code).toBe(0);
    expect(stdout).toMatch(/shop\.orders .*5,000.*_id_, text_1/);
    expect(stdout).toMatch(new RegExp(`${source.hidden.host} .*yes`));
  });

  it('shows the run', async () => {
    const all = z
      .object({ runs: z.array(z.object({ runId: z.string(), status: z.string() })) })
      .parse(asJson(await run('status', '--output', 'json')));
    expect(all.runs.map(({ status }) => status)).toEqual(['succeeded']);
    const { code, stdout } = await run('status', all.runs[0]?.runId ?? '');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^status +succeeded$/m);
  });

  it('restores the newest one to another server', async () => {
    const to = `mongodb://${target.host}/`;
    const result = await run('restore', 'orders', '--to', to, '--credentials', 'env:TARGET', '--parallel', '2');
    expect(result).toMatchObject({ code: 0 });
    const restored = target.client().db('shop').collection('orders');
    expect(await restored.countDocuments()).toBe(documents);
    expect((await restored.indexes()).map(({ name }) => name)).toEqual(['_id_', 'text_1']);
  });

  it('overwrites only what is named, and only when told so', async () => {
    const to = ['restore', backupId, '--to', `mongodb://${target.host}/`, '--credentials', 'env:TARGET'];
    const unnamed = await run(...to);
    expect(unnamed).toMatchObject({ code: 7, stdout: '' });
    expect(unnamed.stderr).toContain('TargetNotEmpty');
    expect(await run(...to, '--overwrite', target.host)).toMatchObject({ code: 2 });
    expect(await run(...to, '--overwrite', target.host, '--yes')).toMatchObject({ code: 0 });
  });

  it('refuses to restore over the deployment that was backed up', async () => {
    const { username, password } = source.root ?? { username: '', password: '' };
    const argv = ['restore', backupId, '--to', source.uri, '--credentials', 'env:SOURCE_ROOT'];
    const { code, stderr } = await startHoldfast(argv, { cwd, env: { SOURCE_ROOT: `${username}:${password}` } }).ended;
    expect(stderr).toContain('HF-6003 TargetIsSource');
    expect(code).toBe(7);
  });

  it.each(['SIGINT', 'SIGHUP'] as const)(
    'cancels a run on %s, waits for its clean-up and leaves nothing behind',
    async (signal) => {
      const started = start('backup', 'slow', '--output', 'json');
      await started.stderrHas('Dump Collections');
      started.child.kill(signal);
      const result = await started.ended;
      expect(asJson(result)).toMatchObject({ error: { name: 'Cancelled' } });
      expect(result.code).toBe(9);
      const left = await readdir(join(cwd, 'backups'), { recursive: true, withFileTypes: true });
      const files = left.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
      expect(files.filter((file) => file.includes('/slow/'))).toEqual([]);
    },
  );

  it('cancels a run of another process', async () => {
    const signalMembers = (signal: NodeJS.Signals) => {
      for (const { pid } of source.members) process.kill(pid, signal);
    };
    // A set that doesn't answer keeps the run in its first state, which it tries again, until it is cancelled.
    signalMembers('SIGSTOP');
    try {
      const started = start('backup', 'orders');
      await started.stderrHas('Inspect Deployment');
      const runId = await newestRun();
      expect(await run('cancel', runId)).toMatchObject({ code: 0 });
      expect(await started.ended).toMatchObject({ code: 9 });
      expect((await run('status', runId)).stdout).toMatch(/^status +cancelled$/m);
    } finally {
      signalMembers('SIGCONT');
    }
  });

  it('says which credentials are wrong', async () => {
    const wrong = { ...env, ORDERS: 'holdfast-backup:wrong' };
    const refused = await startHoldfast(['backup', 'orders'], { cwd, env: wrong }).ended;
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('HF-2002 AuthenticationFailed');
    const missing = await startHoldfast(['backup', 'orders'], { cwd }).ended;
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('HF-1009 CredentialsUnavailable');
    expect(missing.stderr).toContain('ORDERS');
  });
});

async function newestRun(): Promise<string> {
  const { runs } = z
    .object({ runs: z.array(z.object({ runId: z.string() })) })
    .parse(asJson(await run('status', '--output', 'json')));
  return runs[0]?.runId ?? '';
}
