import { sourceError } from '../source/source-errors.ts';
import type { Source } from '../source/member-state.ts';

/**
 * How much of its size limit the member's oplog uses, 0 to 1; 1 when the server does not say: then it may forget an entry
 * with each that is written.
 */
export async function readOplogUse({ client, member, signal }: Source): Promise<number> {
  try {
    const oplog = client.db('local').collection('oplog.rs');
    const [stats] = await oplog.aggregate([{ $collStats: { storageStats: {} } }], { signal }).toArray();
    const { size, maxSize } = (stats?.['storageStats'] ?? {}) as { size?: number; maxSize?: number };
    return size === undefined || maxSize === undefined ? 1 : Math.min(1, size / maxSize);
  } catch (error) {
    throw sourceError(error, member, 'asked how full its oplog is');
  }
}
