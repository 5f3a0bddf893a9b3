import { BSON } from 'mongodb';
import { splitNamespace } from '../../domain/names.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { SelectedNames } from './select-names.ts';
import type { TargetCollections } from './target-collections.ts';

const empty = Buffer.from(BSON.serialize({}));
const idIndex = Buffer.from(BSON.serialize({ v: 2, key: { _id: 1 }, name: '_id_' }));

/**
 * Makes views, and what makes buckets a time-series, as the oplog does it: the server refuses plain inserts into system.views
 * (code 73). The target may have views of its own beside them.
 * @throws RestoreRejected
 */
export async function makeViews(views: SelectedNames['views'], collections: TargetCollections): Promise<void> {
  const databases = new Set(views.map(({ ns }) => splitNamespace(ns).db));
  for (const db of databases) await collections.adopt(viewsOf(db), { options: empty, idIndex });
  for (const { ns, row } of views) {
    const home = viewsOf(splitNamespace(ns).db);
    const operation = new RawWriter().string('op', 'i').string('ns', home).uuid('ui', collections.uuidOf(home));
    await collections.applyOps(`the view ${ns}`, [operation.document('o', row).toBuffer()]);
  }
}

const viewsOf = (db: string): string => `${db}.system.views`;
