import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigReport } from '../../../src/application/use-cases/check-config.ts';
import { runFake } from './fake-environment.ts';

const config = join(import.meta.dirname, '..', '..', '..', 'examples', 'holdfast.config.yaml');
const problem = { name: 'MissingPrivileges', code: 'HF-2003', message: 'It lacks privileges.', next: 'Grant them.' };
const good: ConfigReport = {
  ok: true,
  storages: [{ name: 'laptop', description: 'storage laptop', problem: null }],
  deployments: [
    {
      ...{ name: 'orders', kind: 'replicaSet', serverVersion: '6.0.5' },
      method: { method: 'logical', reason: 'the default' },
      parts: [
        {
          ...{ name: 'rs0', member: 'db-4:27017', memberReason: 'a hidden member', warnings: ['mind the lag'] },
          ...{ volume: 'the data directory /data', lock: true },
          verdicts: [{ host: 'db-1:27017', eligible: false, reason: 'it is the primary' }],
        },
      ],
      ...{ problems: [], notChecked: null, missingPrivileges: [], commands: null },
    },
  ],
  notChecked: [],
};
const bad: ConfigReport = {
  ok: false,
  storages: [],
  deployments: [
    {
      ...{ name: 'orders', kind: null, serverVersion: null, method: null, parts: [], problems: [problem] },
      ...{ notChecked: null, missingPrivileges: ['find on local.oplog.rs'], commands: 'db.createRole({})' },
    },
  ],
  notChecked: [],
};
const check = (report: ConfigReport, ...flags: string[]) =>
  runFake(['config', 'check', '--connect', '--config', config, ...flags], {
    checkConfig: () => Promise.resolve(report),
  });

describe('holdfast config check --connect', () => {
  it('shows what a backup would do', async () => {
    const { code, stdout } = await check(good);
    expect(code).toBe(0);
    for (const text of [
      'db-4:27017: a hidden member',
      'it is the primary',
      'mind the lag',
      'MongoDB 6.0.5',
      '/data, the member locked',
    ]) {
      expect(stdout).toContain(text);
    }
  });

  it('names each missing privilege, shows the commands, and exits as the problem does', async () => {
    const { code, stdout, stderr } = await check(bad);
    expect([code, stderr]).toEqual([3, '']);
    for (const text of ['find on local.oplog.rs', 'db.createRole({})', 'HF-2003']) expect(stdout).toContain(text);
  });

  it('prints one JSON document, also with problems', async () => {
    const { code, stdout } = await check(bad, '--output', 'json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ report: bad });
  });

  it('says what could not be tried from here, and is right all the same', async () => {
    const [orders] = good.deployments;
    const deployments = orders ? [{ ...orders, notChecked: 'EC2 could not be asked for its volumes' }] : [];
    const { code, stdout } = await check({
      ...good,
      deployments,
      notChecked: ['The bucket of the state: the stack makes it.'],
    });
    expect(code).toBe(0);
    expect(stdout).toContain('not checked: EC2 could not be asked');
    expect(stdout).toContain('not checked: The bucket of the state');
  });

  it('shows what bounds the load on the member that is read', async () => {
    const { stdout } = await check(good);
    for (const text of ['4 collections at once', 'no bandwidth limit', 'lag 20 s']) expect(stdout).toContain(text);
  });

  it('connects to nothing without --connect', async () => {
    const { stdout } = await runFake(['config', 'check', '--config', config, '--output', 'json'], {
      checkConfig: () => Promise.reject(new Error('connected')),
    });
    expect(JSON.parse(stdout)).not.toHaveProperty('report');
  });
});
