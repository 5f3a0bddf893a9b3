import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeClient, makeSummary, runFake } from './fake-environment.ts';

const config = join(import.meta.dirname, '..', '..', '..', 'examples', 'aws.config.yaml');
const forecast = (flags: readonly string[], over: Parameters<typeof runFake>[1] = {}) =>
  runFake(['forecast', 'orders', '--config', config, ...flags], over);

describe('holdfast forecast --cost', () => {
  it('shows what a month costs by item, with prices, their date, and what is assumed', async () => {
    const { code, stdout } = await forecast(['--cost', '--size', '100GiB', '--keep-days', '14']);
    expect(code).toBe(0);
    for (const text of [
      'Fargate, vCPU',
      'S3, storage',
      'Step Functions',
      'us-east-1, 2026-09-30',
      'No backup has been',
    ])
      expect(stdout).toContain(text);
  });

  it('takes sizes and times from the newest backups', async () => {
    const newest = Array.from({ length: 10 }, () => makeSummary({ rawBytes: 4 << 20, storedBytes: 2 << 20 }));
    const client = fakeClient({ listBackups: () => Promise.resolve([...newest, makeSummary({ rawBytes: 1 })]) });
    const { code, stdout } = await forecast(['--cost', '--output', 'json'], { client });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ deployment: 'orders', currency: 'USD', pricesDate: '2026-09-30' },
      policy: { rawBytes: 4 << 20, storedBytes: 2 << 20, dumpSeconds: 60 },
      items: expect.arrayContaining([
        expect.objectContaining({ item: 'Fargate, vCPU', of: 'deployment' }),
      ]) as unknown[],
    });
  });

  it('needs no storage and no deployment when a size is given', async () => {
    const openClient = () => Promise.reject(new Error('nothing is to be opened'));
    expect((await forecast(['--cost', '--size', '1.5TB'], { openClient })).code).toBe(0);
  });

  it.each([
    [['--cost', '--size', '100'], /100GiB/],
    [['--cost', '--size', '0GiB'], /100GiB/],
    [['--cost', '--size', '1GiB', '--keep-days', '0'], /whole number of days/],
    [[], /Add --cost/],
  ])('refuses %j', async (flags, stderr) => {
    const result = await forecast(flags);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(stderr);
  });

  it('asks for a size where there is no backup', async () => {
    const result = await forecast(['--cost'], { client: fakeClient({ listBackups: () => Promise.resolve([]) }) });
    expect(result.stderr).toMatch(/--size 100GiB/);
  });
});
