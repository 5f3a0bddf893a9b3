import type { GapReason } from '../../domain/oplog-archive.ts';
import { bsonType, findElement } from '../bson/raw-document.ts';
import { readString } from '../bson/raw-values.ts';
import { changesFeatureCompatibilityVersion, type OplogEntry } from './oplog-entry.ts';

function textOf(document: Buffer | undefined, name: string): string | undefined {
  const element = document && findElement(document, name);
  return document && element?.type === bsonType.string ? readString(document, element) : undefined;
}

/**
 * Why no replay may cross an entry of the archive (consistency rule 9); undefined for nearly all of them. A resharding
 * leaves empty entries with its name in `o2.type` (MongoDB: resharding_oplog_fetcher), a restore of Holdfast writes its mark.
 */
export function breaksReplay(entry: OplogEntry): GapReason | undefined {
  if (changesFeatureCompatibilityVersion(entry)) return 'featureCompatibilityVersionChanged';
  if (entry.ns.startsWith('holdfast_restore.')) return 'restore';
  if (entry.op === 'n' && entry.o2 && textOf(entry.o2, 'type')?.startsWith('reshard') === true) return 'resharding';
  return undefined;
}
