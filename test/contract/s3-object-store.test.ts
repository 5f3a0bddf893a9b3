import { afterAll, beforeAll, vi } from 'vitest';
import { type MotoServer, startMoto } from '../../local/servers/moto-server.ts';
import { S3ObjectStore } from '../../src/adapters/aws/s3-object-store.ts';
import { describeObjectStoreContract } from './object-store-contract.ts';

const readKey = () => Promise.resolve({ accessKeyId: 'test', secretAccessKey: 'test' });

// Thousands of requests to a server that serves them one at a time.
vi.setConfig({ testTimeout: 120_000 });

let moto: MotoServer;
beforeAll(async () => {
  moto = await startMoto();
}, 300_000);
afterAll(() => moto.stop());

describeObjectStoreContract('S3ObjectStore on moto', async () => {
  await moto.makeBucket('artifacts');
  const store = new S3ObjectStore({
    bucket: 'artifacts',
    prefix: 'holdfast/',
    region: 'us-east-1',
    endpoint: moto.endpoint,
    forcePathStyle: true,
    readKey,
  });
  return { store, dispose: () => store.close() };
});
