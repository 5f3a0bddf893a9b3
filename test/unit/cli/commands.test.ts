import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { HoldfastError } from '../../../src/domain/errors.ts';
import { backupId, fakeClient, makeManifest, makeRun, runFake } from './fake-environment.ts';

describe('holdfast backup', () => {
  it('hands deployment, method, storage and labels to the product', async () => {
    const client = fakeClient();
    const flags = ['--method', 'logical', '--storage', 'laptop', '--label', 'a=1', '--label', 'b=x=y', '--wait'];
    const { code } = await runFake(['backup', 'orders', ...flags], { client });
    expect(code).toBe(0);
    expect(client.asked[0]).toEqual([
      'startBackup',
      {
        ...{ deployment: 'orders', method: 'logical', storage: 'laptop' },
        ...{ labels: { a: '1', b: 'x=y' }, requestedBy: 'cli:ada' },
      },
    ]);
  });

  it('hands a codec and a level over, each alone or both', async () => {
    const compressionOf = async (...flags: string[]) => {
      const client = fakeClient();
      await runFake(['backup', ...flags], { client });
      return (client.asked[0]?.[1] as { compression?: unknown } | undefined)?.compression;
    };
    expect(await compressionOf('--codec', 'gzip', '--level', '6')).toEqual({ codec: 'gzip', level: 6 });
    expect(await compressionOf('--codec', 'none')).toEqual({ codec: 'none' });
    expect(await compressionOf('--level', '19')).toEqual({ level: 19 });
  });

  it.each([
    ['--codec', 'lz4', 'zstd, gzip, none'],
    ['--level', '20', '1 to 19'],
    ['--level', 'best', '1 to 19'],
  ])('refuses %s %s and says what there is', async (flag, value, message) => {
    const { code, stderr } = await runFake(['backup', flag, value]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('says nothing that was not given, so that the defaults of the config decide', async () => {
    const client = fakeClient();
    await runFake(['backup'], { client });
    expect(client.asked[0]).toEqual(['startBackup', { requestedBy: 'cli:ada' }]);
  });

  it('prints run and manifest as one JSON document and leaves the rest to stderr', async () => {
    const { stdout, stderr } = await runFake(['backup', '--output', 'json']);
    expect(JSON.parse(stdout)).toEqual({ run: makeRun(), backup: makeManifest() });
    expect(stderr).toContain('run run-1');
  });

  it('prints the backup and how to restore it', async () => {
    const { stdout } = await runFake(['backup', 'orders']);
    expect(stdout).toContain(`holdfast restore ${backupId} --to mongodb://HOST:PORT/`);
  });

  it.each([
    ['failed', { name: 'OplogGap', code: 'HF-2009', message: 'a hole', next: 'again' }, 3, 'a hole'],
    ['cancelled', null, 9, 'HF-8001 Cancelled'],
    ['interrupted', null, 8, 'HF-7004 Interrupted'],
    ['failed', { name: 'FromTheFuture', code: 'HF-9999', message: 'who knows', next: 'again' }, 8, 'who knows'],
  ] as const)('ends a %s run with the exit code of its error', async (status, error, code, text) => {
    const client = fakeClient({ waitForRun: () => Promise.resolve(makeRun({ status, error, output: null })) });
    const result = await runFake(['backup'], { client });
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(text);
    expect(result.stderr).toContain('run run-1');
  });

  it('ends well when the request was accepted before', async () => {
    const run = makeRun({ status: 'duplicate', output: null });
    const { code, stdout } = await runFake(['backup'], {
      client: fakeClient({ waitForRun: () => Promise.resolve(run) }),
    });
    expect([code, stdout]).toEqual([0, 'The same request was accepted before: the earlier run answers it.\n']);
  });
});

describe('holdfast list', () => {
  it('filters by deployment, storage and a time ago', async () => {
    const client = fakeClient();
    await runFake(['list', 'orders', '--storage', 'laptop', '--since', '24h'], { client });
    expect(client.asked[0]?.[1]).toEqual({
      ...{ deployment: 'orders', storage: 'laptop' },
      since: new Date('2026-11-21T12:00:00Z'),
    });
  });

  it.each([
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
    ['2026-11-22T10:15', '2026-11-22T10:15:00.000Z'],
    ['2026-11-22T10:15:30+01:00', '2026-11-22T09:15:30.000Z'],
    ['2w', '2026-11-08T12:00:00.000Z'],
  ])('reads --since %s as %s', async (text, expected) => {
    const client = fakeClient();
    await runFake(['list', '--since', text], { client });
    expect(client.asked[0]?.[1]).toEqual({ since: new Date(expected) });
  });

  it.each(['yesterday', '2026-13-01', '24', '1y', ''])('refuses --since "%s"', async (text) => {
    const { code, stderr } = await runFake(['list', '--since', text]);
    expect(code).toBe(2);
    expect(stderr).toContain('how long ago');
  });
});

describe('holdfast restore', () => {
  const to = 'mongodb://localhost:27100/?replicaSet=copy';

  it('hands everything to the product', async () => {
    const client = fakeClient({});
    const flags = ['--to', to, '--credentials', 'env:TARGET', '--overwrite', 'copy', '--users', '--keep-expired'];
    await runFake(['restore', backupId, ...flags, '--parallel', '8', '--yes'], { client });
    expect(client.asked[0]).toEqual([
      'startRestore',
      {
        ...{ backup: backupId, to, credentials: { env: 'TARGET' }, overwrite: 'copy', users: true },
        ...{ keepExpired: true, parallel: 8, requestedBy: 'cli:ada' },
      },
    ]);
  });

  it('hands the databases of --users-of over, and takes it for no companion of --users', async () => {
    const client = fakeClient();
    const flags = ['--to', to, '--users-of', 'shop', '--users-of', 'crm'];
    await runFake(['restore', backupId, ...flags], { client });
    expect(client.asked[0]?.[1]).toMatchObject({ users: ['shop', 'crm'] });
    expect((await runFake(['restore', backupId, ...flags, '--users'])).code).toBe(2);
    expect((await runFake(['restore', backupId, '--to', to, '--users-of', 'shop.till'])).code).toBe(2);
  });

  it('says what differs from the source', async () => {
    const output = { backupId, restoreTime: null, documents: 1, warnings: ['The target lacks roles.'] };
    const client = fakeClient({ waitForRun: () => Promise.resolve(makeRun({ workflow: 'restore', output })) });
    const { stdout } = await runFake(['restore', backupId, '--to', to], { client });
    expect(stdout).toMatch(/^warning +The target lacks roles\.$/m);
  });

  it('says what was restored, and to when', async () => {
    const output = { backupId, restoreTime: { t: 1_795_342_530, i: 7 }, documents: 12_345 };
    const client = fakeClient({ waitForRun: () => Promise.resolve(makeRun({ workflow: 'restore', output })) });
    const { stdout } = await runFake(['restore', backupId, '--to', to], { client });
    expect(stdout).toMatch(/^restored to +2026-11-22 10:15:30 UTC$/m);
    expect(stdout).toMatch(/^documents +12,345 loaded$/m);
  });

  it('takes credentials from a file', async () => {
    const client = fakeClient();
    await runFake(['restore', 'orders', '--to', to, '--credentials', 'file:/run/secrets/target'], { client });
    expect(client.asked[0]?.[1]).toMatchObject({ backup: 'orders', credentials: { file: '/run/secrets/target' } });
  });

  it.each([['env:'], ['hunter2'], ['ada:hunter2']])('refuses --credentials %s without repeating it', async (given) => {
    const result = await runFake(['restore', backupId, '--to', to, '--credentials', given, '--output', 'json']);
    expect(result.code).toBe(2);
    expect(result.stdout + result.stderr).not.toContain('hunter2');
    expect(result.stderr).toContain('env:NAME');
  });

  it.each([
    ['restore', backupId, '--to', 'mongodb://ada:hunter2@localhost/'],
    ['restore', backupId, '--to=mongodb://ada:hunter2@localhost/'],
    ['restore', backupId, '--to', 'mongodb+srv://ada:hunt/er2hunter2@localhost/'],
    ['restore', backupId, '--to', 'mongodb://localhost/?tlsCertificateKeyFilePassword=hunter2'],
    ['restore', 'mongodb://ada:hunter2@localhost/', '--to', to],
    ['backup', 'mongodb://ada:hunter2@localhost/'],
    ['mongodb://ada:hunter2@localhost/'],
    ['--unknown=mongodb://ada:hunter2@localhost/'],
  ])('refuses credentials in the command line without repeating them: %s %s %s', async (...argv) => {
    const client = fakeClient();
    const env = { HOLDFAST_DEBUG: '1' };
    const { code, stdout, stderr } = await runFake([...argv, '--output', 'json'], { client, env });
    expect(code).toBe(2);
    expect(stdout + stderr).not.toMatch(/hunter2|ada/);
    expect(client.asked).toEqual([]);
  });

  it.each(['0', '65', '1.5', 'many', '-1'])('refuses --parallel %s', async (text) => {
    const { code, stderr } = await runFake(['restore', backupId, '--to', to, `--parallel=${text}`]);
    expect([code, stderr.includes('from 1 to 64')]).toEqual([2, true]);
  });

  it('says where the target goes when --to is missing', async () => {
    const { code, stderr } = await runFake(['restore', backupId]);
    expect([code, stderr.includes('--to <target>')]).toEqual([2, true]);
  });

  it('asks for the name before it overwrites, and goes on when it was typed', async () => {
    const client = fakeClient();
    const questions: string[] = [];
    const ask = (question: string) => {
      questions.push(question);
      return Promise.resolve('copy');
    };
    const argv = ['restore', backupId, '--to', to, '--overwrite', 'copy'];
    const { code } = await runFake(argv, { client, ask, interactive: true });
    expect(code).toBe(0);
    expect(questions[0]).toContain('deletes what "copy" holds');
    expect(client.asked[0]?.[0]).toBe('startRestore');
  });

  it('changes nothing when another name was typed', async () => {
    const client = fakeClient();
    const argv = ['restore', backupId, '--to', to, '--overwrite', 'copy'];
    const { code, stderr } = await runFake(argv, { client, ask: () => Promise.resolve('y'), interactive: true });
    expect([code, client.asked]).toEqual([2, []]);
    expect(stderr).toContain('nothing was changed');
  });

  it('overwrites without a terminal only with --yes', async () => {
    const client = fakeClient();
    const { code, stderr } = await runFake(['restore', backupId, '--to', to, '--overwrite', 'copy'], { client });
    expect([code, client.asked]).toEqual([2, []]);
    expect(stderr).toContain('--yes');
  });
});

describe('holdfast status, cancel and describe', () => {
  it('shows one run as JSON', async () => {
    const { stdout } = await runFake(['status', 'run-1', '--output=json']);
    expect(JSON.parse(stdout)).toEqual({ runs: [makeRun()] });
  });

  it('asks for the run that was named', async () => {
    const client = fakeClient({ status: () => Promise.resolve([makeRun({ status: 'running', endedAt: null })]) });
    await runFake(['cancel', 'run-1'], { client });
    expect(client.asked[0]).toEqual(['cancel', 'run-1']);
  });

  it('says how a run ended that is to be cancelled too late', async () => {
    const client = fakeClient({ status: () => Promise.resolve([makeRun({ status: 'failed' })]) });
    const { code, stdout } = await runFake(['cancel', 'run-1'], { client });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'There is nothing to cancel: run run-1 has failed.\n' });
    expect(client.asked.map(([name]) => name)).not.toContain('cancel');
  });

  it('shows collections only when asked', async () => {
    const [without, with_] = [
      await runFake(['describe', backupId]),
      await runFake(['describe', backupId, '--collections']),
    ];
    expect([without.stdout.includes('customer_1'), with_.stdout.includes('customer_1')]).toEqual([false, true]);
  });

  it('closes the product, also after a failure', async () => {
    const client = fakeClient({ describeBackup: () => Promise.reject(new HoldfastError('UnknownBackup', 'none')) });
    const { code } = await runFake(['describe', backupId], { client });
    expect([code, client.asked.at(-1)]).toEqual([2, ['close']]);
  });
});

describe('every command', () => {
  it('prints the version', async () => {
    expect(await runFake(['--version'])).toMatchObject({ code: 0, stdout: `${packageJson.version}\n` });
  });

  it('prints help and exit codes', async () => {
    const { code, stdout } = await runFake(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('9 cancelled');
  });

  it.each([
    [[], 'a command is missing'],
    [['lst'], 'Did you mean list?'],
    [['list', '--sinc', '1d'], 'Did you mean --since?'],
    [['list', 'a', 'b'], 'too many arguments'],
    [['describe'], "missing required argument 'backup'"],
    [['list', '--output', 'xml'], 'Allowed choices are table, json'],
    [['backup', '--label', 'a'], 'Expected key=value'],
    [['backup', '--label', 'a=1', '--label', 'a=2'], 'given before'],
  ])('refuses %j', async (argv, text) => {
    const { code, stdout, stderr } = await runFake(argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(text);
    expect(stderr).toMatch(/next: {2}See `holdfast/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('takes the config file from --config, else HOLDFAST_CONFIG, else the folder', async () => {
    const opened: string[] = [];
    const openClient = ({ configPath }: { readonly configPath: string }) => {
      opened.push(configPath);
      return Promise.resolve(fakeClient());
    };
    const env = { HOLDFAST_CONFIG: 'of-env.yaml' };
    await runFake(['list', '--config', 'of-flag.yaml'], { openClient, env });
    await runFake(['list'], { openClient, env });
    await runFake(['list'], { openClient, env: {} });
    expect(opened).toEqual(['of-flag.yaml', 'of-env.yaml', 'holdfast.config.yaml']);
  });
});
