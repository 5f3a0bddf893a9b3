import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { readOplogEntry } from '../../src/engine/oplog/oplog-entry.ts';
import { type CapturedSlice, capturedSlice } from '../../src/engine/oplog/read-chain.ts';
import { SliceBuilder } from '../../src/engine/oplog/slice-builder.ts';

/** Stores entries as a slice of their own, whole and valid, whatever lies between them. */
export async function storeSlice(store: ObjectStore, entries: readonly Buffer[]): Promise<CapturedSlice> {
  const builder = new SliceBuilder({ member: 'made', serverVersion: '6.0.5', run: 'made', fence: 1 }, []);
  for (const raw of entries) await builder.append(readOplogEntry(raw));
  const made = await builder.finish();
  if (!made) throw new Error('a slice without entries');
  const key = `made/${made.header.from.ts.t}-${made.header.from.ts.i}`;
  const { size } = await store.put(key, made.body);
  return capturedSlice({ key, size, header: made.header });
}
