import type { Document, MongoClient } from 'mongodb';
import { slowedClient } from './workload/slowed-client.ts';

/**
 * Holds the scans of some collections between two batches, until they are let go.
 * @param names of collections, each in one database only
 * @param atGetMore which one is held: at the second the first frame is on its way, the third batch is not
 */
export function gateScans(client: MongoClient, names: readonly string[], atGetMore = 2) {
  const seen = new Map<string, number>();
  const held = Promise.withResolvers<undefined>();
  const gate = Promise.withResolvers<undefined>();
  const waiting = new Set<string>();
  const before = async (_db: string, command: Document): Promise<void> => {
    const name = command['collection'] as unknown;
    if (!('getMore' in command) || typeof name !== 'string' || !names.includes(name)) return;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (seen.get(name) !== atGetMore) return;
    waiting.add(name);
    if (waiting.size === names.length) held.resolve(undefined);
    await gate.promise;
  };
  return {
    client: slowedClient(client, before),
    held: held.promise,
    release: () => {
      gate.resolve(undefined);
    },
  };
}
