import { expect, test } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { CopyCheckpoint, readSavedCopy } from '../../../src/engine/copy/copy-checkpoint.ts';
import { pieceBytes } from '../../../src/engine/copy/file-pieces.ts';
import { dyingStore } from '../../support/dying-store.ts';
import { noLogger } from '../../support/no-logger.ts';

const partPrefix = 'orders/backups/b/rs0/';
const head = { backupId: 'b', part: 'rs0', codec: 'zstd', snapshot: 'copy-1' };

/** A state storage whose answer to the first write is lost: what was written is there. */
function losingAnAnswer(state: ObjectStore): ObjectStore {
  let left = 1;
  return {
    ...dyingStore(state, { left: Infinity, pace: [0] }),
    put: async (...args) => {
      const written = await state.put(...args);
      if (left-- > 0) throw new HoldfastError('StorageUnavailable', 'no answer came');
      return written;
    },
  };
}

test('a record of a copy whose answer was lost keeps no later one from being written', async () => {
  const [state, store] = [new MemoryObjectStore('state'), new MemoryObjectStore()];
  const place = { prefix: 'runs/r/checkpoints/rs0/', head, logger: noLogger };
  const checkpoint = new CopyCheckpoint({ ...place, store: losingAnAnswer(state), attempt: 1 });
  for (let n = 0; n < 3; n += 1) {
    const pack = `0001-0000${n}`;
    const sizes = { offset: 0, length: 10, rawLength: pieceBytes };
    checkpoint.piece({
      kind: 'piece',
      file: 'a.wt',
      fileOffset: n * pieceBytes,
      pack,
      ...sizes,
      sha256: 'ab'.repeat(32),
    });
    const key = artifactKeys.pack(partPrefix, pack);
    const { size, crc32 } = await store.put(key, Buffer.from('0123456789'));
    checkpoint.packStored({ name: pack, key, size, crc32 });
    await checkpoint.flush();
  }
  const saved = await readSavedCopy({ ...place, store: state }, { store, partPrefix });
  expect(saved.packs.size).toBe(3);
  expect([0, 1, 2].map((n) => saved.pieces.get('a.wt')?.get(n)?.pack)).toEqual([
    '0001-00000',
    '0001-00001',
    '0001-00002',
  ]);
});
