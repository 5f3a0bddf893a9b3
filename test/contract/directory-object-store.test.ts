import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { describeObjectStoreContract } from './object-store-contract.ts';

describeObjectStoreContract('DirectoryObjectStore', async () => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-contract-'));
  const store = new DirectoryObjectStore({ root: join(root, 'made', 'at first write'), description: '"laptop"' });
  return {
    store,
    corrupt: (key) => flipOneBit(join(root, 'made', 'at first write', key)),
    dispose: async () => {
      await store.close();
      await rm(root, { recursive: true });
    },
  };
});

async function flipOneBit(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 12_345);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await handle.write(byte, 0, 1, 12_345);
  await handle.close();
}
