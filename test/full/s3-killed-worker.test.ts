import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { until } from '../../local/servers/poll.ts';
import { manifestObjects } from '../../src/application/stored-objects.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { keysOf } from '../contract/object-store-probes.ts';
import { type EmbeddedSet, filesBelow, seedDocuments, startEmbeddedSet, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { bucket, type S3ThroughProxy, startS3ThroughProxy } from '../support/s3-through-proxy.ts';
import { onlyPart } from '../support/take-backup.ts';

const secret = 'CANARY-embedded-secret';
let embedded: EmbeddedSet;
let s3: S3ThroughProxy;
beforeAll(async () => {
  s3 = await startS3ThroughProxy();
  embedded = await startEmbeddedSet();
  await seedDocuments(embedded.set, 40);
  process.env['HOLDFAST_TEST_S3'] = `id:${secret}`;
});
afterAll(async () => {
  await embedded.stop();
  await s3.stop();
});

async function settingsOnS3(): Promise<Settings> {
  const settings = await embedded.newSettings();
  const place = { bucket, prefix: 'holdfast/', region: 'us-east-1', endpoint: s3.proxy.endpoint, forcePathStyle: true };
  const storage = { name: 'local', type: 's3', ...place, credentials: { env: 'HOLDFAST_TEST_S3' } } as const;
  return { ...settings, storages: { local: storage } };
}

test('a worker that is killed while it uploads leaves no upload, no secret and a backup that is whole', async () => {
  const settings = await settingsOnS3();
  const client = await openEmbedded({ settings, logger: noLogger });
  // One part of the first attempt never arrives, so that the worker is in the middle of an upload when it dies.
  s3.proxy.order({ kind: 'silence' }, ({ url }) => url.includes('partNumber=2'));
  const { runId } = await client.startBackup({});
  const pid = await workerPid(settings, { runId, attempt: 1 });
  await until('a part hangs', () =>
    Promise.resolve(s3.proxy.seen.some(({ url }) => url.includes('partNumber=2')) || undefined),
  );
  process.kill(pid, 'SIGKILL');
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });

  expect(await s3.direct.discardUnfinished('')).toBe(0);
  const [summary] = await client.listBackups({});
  const manifest = await client.describeBackup(summary?.backupId ?? '');
  expect(onlyPart(manifest).base.attempt).toBe(2);
  const named = manifestObjects(manifest).map(({ key }) => key);
  const stored = await keysOf(s3.direct);
  expect(stored.filter((key) => !key.endsWith('/manifest.json')).toSorted()).toEqual(named.toSorted());
  for (const object of manifestObjects(manifest)) expect(await s3.direct.checksum(object.key)).toBe(object.crc32);

  for (const file of await filesBelow(settings.stateDir)) {
    expect(await readFile(join(settings.stateDir, file), 'latin1'), file).not.toContain(secret);
  }
  await client.close();
});

test('a backup through a storage that fails now and then succeeds; one that fails for good leaves nothing', async () => {
  const settings = await settingsOnS3();
  const client = await openEmbedded({ settings, logger: noLogger });
  const before = await keysOf(s3.direct);
  s3.proxy.reset();
  let count = 0;
  s3.proxy.order({ kind: 'reset after' }, () => ++count % 11 === 0, Infinity);
  s3.proxy.order({ kind: 'answer', status: 503, code: 'SlowDown' }, () => count % 7 === 0, Infinity);
  const shaky = await client.startBackup({});
  expect(await client.waitForRun(shaky.runId)).toMatchObject({ status: 'succeeded', error: null });
  expect((await keysOf(s3.direct)).length).toBeGreaterThan(before.length);

  const complete = await keysOf(s3.direct);
  s3.proxy.reset();
  const refused = ({ operation, url }: { operation: string; url: string }) =>
    operation === 'UploadPart' && !url.includes('partNumber=1&');
  s3.proxy.order({ kind: 'answer', status: 403, code: 'AccessDenied' }, refused, Infinity);
  const denied = await client.startBackup({});
  expect(await client.waitForRun(denied.runId)).toMatchObject({
    status: 'failed',
    error: { name: 'StorageAccessDenied' },
  });
  expect(await keysOf(s3.direct)).toEqual(complete);
  expect(await s3.direct.discardUnfinished('')).toBe(0);
  await client.close();
});
