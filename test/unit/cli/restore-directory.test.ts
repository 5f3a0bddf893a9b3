import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backupId, fakeClient, makeRun, runFake } from './fake-environment.ts';

describe('holdfast restore to a directory', () => {
  it('takes a directory by any path, and names it by its absolute one', async () => {
    const client = fakeClient();
    await runFake(['restore', backupId, '--to', './data', '--overwrite', 'data/', '--yes'], { client });
    await runFake(['restore', backupId, '--to', '/data/../data', '--overwrite', './data', '--yes'], { client });
    const requests = client.asked.filter(([what]) => what === 'startRestore').map(([, request]) => request);
    expect(requests).toMatchObject([
      { to: resolve('data'), overwrite: 'data/' },
      { to: '/data', overwrite: resolve('data') },
    ]);
  });

  it.each(['localhost:27017', 'data', 'db-1'])('takes %s for no directory', async (to) => {
    expect((await runFake(['restore', backupId, '--to', to])).code).toBe(2);
  });

  it('asks for no confirmation of what it only tries, and prints what would be restored', async () => {
    const output = { status: 'planned', backupId, target: '/data', restoreTime: { t: 9, i: 7 } };
    const client = fakeClient({ waitForRun: () => Promise.resolve(makeRun({ workflow: 'restore', output })) });
    const command = ['restore', backupId, '--to', '/data', '--overwrite', '/data', '--dry-run'];
    const { code, stdout } = await runFake(command, { client });
    expect(code).toBe(0);
    expect(client.asked).toContainEqual([
      'startRestore',
      expect.objectContaining({ dryRun: true, overwrite: '/data' }),
    ]);
    expect(stdout).toMatch(/target\s+\/data[\s\S]*would restore to[\s\S]*Nothing was\./);
  });

  it('prints what remains to be done with a directory', async () => {
    const output = { backupId, restoreTime: { t: 9, i: 7 }, documents: 1, steps: ['Start it', 'Add the others'] };
    const client = fakeClient({ waitForRun: () => Promise.resolve(makeRun({ workflow: 'restore', output })) });
    const { stdout } = await runFake(['restore', backupId, '--to', '/data'], { client });
    expect(stdout).toContain('What remains to be done:\n  1. Start it\n  2. Add the others');
  });
});
