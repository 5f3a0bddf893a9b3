import { describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../../src/config/config-problems.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

const file = '/etc/holdfast/holdfast.config.yaml';
const ca = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

const withStorages = (...storages: readonly string[]) => `
storages:
${storages.map((storage, n) => `  s${n}: { type: s3, ${storage} }`).join('\n')}
deployments:
  orders: { uri: "mongodb://a:1/?replicaSet=rs0", storage: s0 }
`;

const load = (text: string) =>
  loadConfig(file, (path) => Promise.resolve(path === file ? text : path === '/etc/holdfast/ca.pem' ? ca : ''));

async function problemsOf(...storages: readonly string[]): Promise<readonly ConfigProblem[]> {
  const error = await load(withStorages(...storages)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  return (error as HoldfastError).details['problems'] as readonly ConfigProblem[];
}

describe('an S3 storage in the config', () => {
  it('needs a bucket and a region', async () => {
    expect((await load(withStorages('bucket: backups, region: eu-central-1'))).storages['s0']).toEqual({
      ...{ name: 's0', type: 's3', bucket: 'backups', prefix: '', region: 'eu-central-1', forcePathStyle: false },
    });
    expect((await problemsOf('prefix: x')).map(({ path }) => path)).toEqual([
      'storages.s0.bucket',
      'storages.s0.region',
    ]);
  });

  it('of another server has its endpoint, its CA and its credentials', async () => {
    const text = withStorages(
      'bucket: b-1, prefix: holdfast/prod, endpoint: "https://minio.internal:9000", caFile: ca.pem, credentials: { file: key }, kmsKey: alias/backups',
    );
    expect((await load(text)).storages['s0']).toEqual({
      ...{ name: 's0', type: 's3', bucket: 'b-1', prefix: 'holdfast/prod/', region: 'us-east-1', forcePathStyle: true },
      ...{
        endpoint: 'https://minio.internal:9000',
        ca,
        credentials: { file: '/etc/holdfast/key' },
        kmsKey: 'alias/backups',
      },
    });
  });

  it.each([
    ['bucket: b-1, endpoint: "http://minio:9000"', 'endpoint', /http only on this machine/],
    ['bucket: b-1, endpoint: "https://me:secret@minio"', 'endpoint', /without user and password/],
    ['bucket: b-1, endpoint: "https://minio/b-1"', 'endpoint', /https/],
    ['bucket: b-1, endpoint: "minio:9000"', 'endpoint', /https/],
    ['bucket: b-1, region: r, caFile: ca.pem', 'caFile', /no endpoint/],
    ['bucket: b-1, region: r, kmsKey: create', 'kmsKey', /ARN of a key/],
    ['bucket: b-1, region: r, prefix: /x', 'prefix', /segments/],
    ['bucket: b-1, region: r, prefix: x//y', 'prefix', /segments/],
    ['bucket: b, region: r', 'bucket', /name of a bucket/],
    ['bucket: b-1, region: r, credentials: AKIA:secret', 'credentials', /env/],
    ['bucket: b-1, region: r, prefx: x', 'prefx', /one of type, bucket, prefix/],
  ])('refuses %s', async (storage, key, expected) => {
    const problems = await problemsOf(storage);
    expect(problems).toMatchObject([
      { path: `storages.s0.${key}`, expected: expect.stringMatching(expected) as string },
    ]);
    expect(JSON.stringify(problems)).not.toContain('secret@');
  });

  it('takes http on this machine', async () => {
    const { storages } = await load(withStorages('bucket: b-1, endpoint: "http://127.0.0.1:9000"'));
    expect(storages['s0']).toMatchObject({ endpoint: 'http://127.0.0.1:9000' });
  });

  it('lies apart from others in its bucket', async () => {
    const place = (prefix: string, more = '') => `bucket: b-1, region: r, prefix: ${prefix}${more}`;
    expect(await problemsOf(place('a'), place('a/b'))).toMatchObject([{ path: 'storages.s1.prefix', given: 'a/b' }]);
    expect(await problemsOf('bucket: b-1, region: r', place('a'))).toMatchObject([{ path: 'storages.s1.prefix' }]);
    await load(withStorages(place('a'), place('ab'), place('a', ', endpoint: "https://other"')));
  });
});
