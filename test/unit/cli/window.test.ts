import { describe, expect, it } from 'vitest';
import type {
  CheckArchiveRequest,
  CheckedArchive,
  RecoveryWindowReport,
} from '../../../src/application/ports/holdfast-client.ts';
import { fakeClient, makePruned, makeWindow, runFake } from './fake-environment.ts';

describe('holdfast window', () => {
  it('asks for the deployment, and for a time', async () => {
    const client = fakeClient();
    await runFake(['window', 'orders', '--at', '2026-11-22T10:15:30Z'], { client });
    expect(client.asked).toContainEqual(['recoveryWindow', { deployment: 'orders', at: '2026-11-22T10:15:30Z' }]);
    expect((await runFake(['window', 'orders', '--at', 'yesterday'])).code).toBe(2);
  });

  it('shows ranges, what is missing with the reason, and what would be lost now', async () => {
    const { stdout } = await runFake(['window', 'orders']);
    expect(stdout).toMatch(/lost if it broke now +1 min 00 s/);
    const rows = stdout.split('\n').filter((line) => /restorable|missing/.test(line));
    expect(rows.map((line) => line.trim().split(/\W+/)[1])).toEqual(['restorable', 'missing', 'restorable']);
    expect(stdout).toContain('the oplog had forgotten');
    expect(stdout).toContain('h:1 begins at 7:1');
    expect(stdout).toContain('1795342530:7');
  });

  it('shows what serves a time, and that nothing does', async () => {
    const [time, key] = [{ t: 1_795_342_500, i: 1 }, 'orders/oplog/rs0-1/1795342400-0000000001.bson.zst'];
    const backup = { backupId: 'the-base', storage: 'laptop', method: 'logical', point: time };
    const slices = [{ storage: 'offsite', key, from: time, to: time }];
    const shown = async (serving: object) =>
      (
        await runFake(['window', 'orders'], {
          client: fakeClient({
            recoveryWindow: () =>
              Promise.resolve(makeWindow({ serving: { time, backup: null, slices: [], ...serving } })),
          }),
        })
      ).stdout;
    expect(await shown({ backup, slices })).toContain(`${key} in offsite`);
    expect(await shown({ backup })).toMatch(/the-base in laptop[^]*its own/);
    expect(await shown({})).toContain('none of the ranges');
  });

  it('says that what would be lost is not known where the clocks disagree', async () => {
    const replicaSets = makeWindow().replicaSets.map((set) => ({ ...set, rpoSeconds: -7_300 }));
    const recoveryWindow = () => Promise.resolve({ ...makeWindow(), replicaSets } as RecoveryWindowReport);
    const { stdout } = await runFake(['window', 'orders'], { client: fakeClient({ recoveryWindow }) });
    expect(stdout).toMatch(/lost if it broke now +not known: the time of the replica set is 2 h 01 min ahead/);
  });

  it('says since when nothing is archived any more, and why', async () => {
    const stalled = { since: '2026-11-22T09:00:00.000Z', why: 'SourceUnreachable: No member answers.' };
    const replicaSets = makeWindow().replicaSets.map((set) => ({ ...set, stalled }));
    const recoveryWindow = () => Promise.resolve({ ...makeWindow(), replicaSets });
    const { stdout } = await runFake(['window', 'orders'], { client: fakeClient({ recoveryWindow }) });
    expect(stdout).toMatch(/not archived +since .*09:00:00.*: SourceUnreachable: No member answers\./);
    expect((await runFake(['window', 'orders'])).stdout).not.toContain('not archived');
  });

  it('says so of an archive that has not even begun, where nothing can be restored too', async () => {
    const stalled = { since: '2026-11-22T09:00:00.000Z', why: 'SourceUnreachable: No member answers.' };
    const recoveryWindow = () => Promise.resolve({ ...makeWindow(), stalled, replicaSets: [] });
    const { stdout } = await runFake(['window', 'orders'], { client: fakeClient({ recoveryWindow }) });
    expect(stdout).toMatch(/not archived +since .*09:00:00.*: SourceUnreachable: No member answers\./);
    expect(stdout).toContain('Nothing of orders can be restored.');
  });

  it('says that an archive alone restores nothing', async () => {
    const [set] = makeWindow().replicaSets;
    const alone = { ...set, ranges: [], holes: [], latest: null, rpoSeconds: null, backups: 0, slices: 1 };
    const recoveryWindow = () => Promise.resolve({ ...makeWindow(), replicaSets: [alone] } as RecoveryWindowReport);
    const { stdout } = await runFake(['window', 'orders'], { client: fakeClient({ recoveryWindow }) });
    expect(stdout).toMatch(/lost if it broke now +everything\n/);
    expect(stdout).toMatch(/1 slice,[^]*Take one with `holdfast backup orders`/);
  });

  it('is one document as JSON', async () => {
    const { stdout } = await runFake(['window', 'orders', '--output', 'json']);
    expect(JSON.parse(stdout)).toEqual({ window: makeWindow() });
  });
});

describe('holdfast restore to a time', () => {
  const to = ['--to', 'mongodb://localhost:27100/'];

  it.each(['2026-11-22T10:15:30Z', '1763806530:4', 'latest'])('takes %s as it is', async (at) => {
    const client = fakeClient();
    await runFake(['restore', 'orders', ...to, '--at', at, '--before-drop', 'shop.orders'], { client });
    expect(client.asked).toContainEqual([
      'startRestore',
      expect.objectContaining({ backup: 'orders', at, beforeDrop: 'shop.orders' }),
    ]);
  });

  it.each([
    ['--at', '2026-11-22T10:15:30'],
    ['--at', 'yesterday'],
    ['--before-drop', 'orders'],
    ['--before-drop', 'shop.'],
  ])('refuses %s %s', async (...given) => {
    const client = fakeClient();
    expect((await runFake(['restore', 'orders', ...to, ...given], { client })).code).toBe(2);
    expect(client.asked).toEqual([]);
  });

  it('says what an ISO time means', async () => {
    const { stdout } = await runFake(['restore', '--help']);
    expect(stdout.replace(/\s+/g, ' ')).toContain('2026-11-22T10:15:30Z (all of that second, and nothing later)');
  });
});

describe('holdfast restore of some collections', () => {
  const to = ['--to', 'mongodb://localhost:27100/'];

  it('takes patterns and renames, repeated', async () => {
    const client = fakeClient();
    const flags = ['--ns', 'shop.orders', '--ns', 'crm.*', '--rename', 'crm.*=copy.*', '--rename', 'shop.orders=a.b=c'];
    await runFake(['restore', 'orders', ...to, ...flags], { client });
    const renames = [
      { from: 'crm.*', to: 'copy.*' },
      { from: 'shop.orders', to: 'a.b=c' },
    ];
    expect(client.asked).toContainEqual([
      'startRestore',
      expect.objectContaining({ namespaces: ['shop.orders', 'crm.*'], renames }),
    ]);
  });

  it.each([
    ['--ns', 'shop'],
    ['--ns', 'shop.'],
    ['--rename', 'shop.a'],
    ['--rename', '=shop.a'],
    ['--rename', 'shop.a='],
  ])('refuses %s %s', async (...given) => {
    const client = fakeClient();
    expect((await runFake(['restore', 'orders', ...to, ...given], { client })).code).toBe(2);
    expect(client.asked).toEqual([]);
  });
});

describe('holdfast archive --check', () => {
  const archive = { deployment: 'orders', replicaSet: 'rs0', replicaSetId: 'ab'.repeat(12), storage: 'laptop' };
  const losses = [
    { after: { t: 1_795_342_400, i: 1 }, before: { t: 1_795_342_500, i: 2 }, damaged: ['orders/oplog/x'] },
  ];
  const checkWith = async (...turns: readonly Partial<CheckedArchive>[]) => {
    const asked: CheckArchiveRequest[] = [];
    const checkArchive = (request: CheckArchiveRequest) => {
      asked.push(request);
      return Promise.resolve(
        turns
          .slice(asked.length - 1, asked.length)
          .map((turn) => ({ ...archive, slices: 7, losses: [], replaced: [], ...turn })),
      );
    };
    const client = Object.assign(fakeClient(), { checkArchive });
    return { ...(await runFake(['archive', 'orders', '--check'], { client })), asked };
  };

  it('looks at everything, in as many turns as it takes, and says what it found', async () => {
    const { code, stdout, asked } = await checkWith({ status: 'more', losses: [] }, { status: 'whole', losses: [] });
    expect([code, asked.map(({ now }) => now)]).toEqual([0, [true, false]]);
    expect(stdout).toContain('all whole');
  });

  it('fails when something is lost, with what and where', async () => {
    const { code, stdout, stderr } = await checkWith({ status: 'lost', losses });
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/1795342400:1[^]*orders\/oplog\/x/);
    expect(stderr).toContain('lost or damaged');
  });

  it('fails when a slice was replaced, and names it', async () => {
    const { code, stdout, stderr } = await checkWith({ status: 'replaced', replaced: ['orders/oplog/y'] });
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/replaced[^]*orders\/oplog\/y/);
    expect(stderr).toContain('others than were checked before: orders/oplog/y');
  });

  it('says when there is nothing, or when the stage does it by itself', async () => {
    expect((await checkWith()).stderr).toContain('oplogArchive: { enabled: true }');
    const onAws = Object.assign(fakeClient(), { checkArchive: undefined });
    expect((await runFake(['archive', 'orders', '--check'], { client: onAws })).stderr).toContain('once a day');
  });
});

describe('holdfast prune', () => {
  it('asks for one deployment or all, and for a dry run', async () => {
    const client = fakeClient();
    await runFake(['prune'], { client });
    await runFake(['prune', 'orders', '--dry-run'], { client });
    expect(client.asked).toEqual(
      expect.arrayContaining([
        ['prune', { dryRun: false }],
        ['prune', { dryRun: true, deployment: 'orders' }],
      ]),
    );
  });

  it('shows what went, what would go, and that nothing is archived', async () => {
    expect((await runFake(['prune'])).stdout).toMatch(/gone[^]*3 slices, 3 MiB[^]*9 slices/);
    expect((await runFake(['prune', '--dry-run'])).stdout).toContain('would go');
    const nothing = fakeClient({ prune: () => Promise.resolve([makePruned({ slices: 0, bytes: 0, upTo: null })]) });
    expect((await runFake(['prune'], { client: nothing })).stdout).toContain('0 slices');
    const none = fakeClient({ prune: () => Promise.resolve([]) });
    expect((await runFake(['prune'], { client: none })).stdout).toContain(
      'No deployment has an oplog archive that is on.',
    );
  });
});
