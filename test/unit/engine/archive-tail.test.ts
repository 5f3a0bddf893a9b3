import { expect, test } from 'vitest';
import { artifactKeys } from '../../../src/domain/names.ts';
import { findArchiveTail, slicesBeyond } from '../../../src/engine/oplog/archive-tail.ts';
import { readStoredSlice } from '../../../src/engine/oplog/read-chain.ts';
import { archivePrefix, entryAt, makeArchivedWorld, range } from '../../support/archived-world.ts';

test('slices after a gap that are damaged are passed over: an archive goes on beside them', async () => {
  const { far, archive } = makeArchivedWorld();
  const at = (second: number) => artifactKeys.slice(archivePrefix, { t: second, i: 1 });
  const first = await far.head(await archive(range(3, 9)));
  if (!first) throw new TypeError('no slice');
  const last = await readStoredSlice(far, first);
  expect(await slicesBeyond(far, archivePrefix, last)).toBeUndefined();
  for (const second of [200, 300, 400, 500]) await archive([entryAt(second, 1), entryAt(second + 50, 1)]);
  for (const second of [200, 500]) {
    const { body } = await far.get(at(second));
    await far.put(at(second), body.subarray(0, 20));
  }
  const beyond = await slicesBeyond(far, archivePrefix, last);
  expect([beyond?.first.key, beyond?.last.key]).toEqual([at(300), at(400)]);
  expect((await findArchiveTail(far, archivePrefix, undefined))?.key).toBe(at(400));
});
