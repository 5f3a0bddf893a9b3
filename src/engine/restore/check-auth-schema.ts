import { BSON, type Document, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { splitDocuments } from '../bson/raw-values.ts';
import type { BackupIndex } from '../packs/index-reader.ts';
import { joinFrames, type PackSource, readFrames } from '../packs/pack-reader.ts';
import { atTarget } from './target-errors.ts';

const versionNs = 'admin.system.version';
const maxRunBytes = 1024 * 1024;

/** Every server since 2.6.4 that has users at all writes 5 (SCRAM). */
const currentSchema = 5;

async function schemaOfBackup(index: BackupIndex, packs: PackSource): Promise<number> {
  for (const run of joinFrames(index.frames.of(versionNs), maxRunBytes))
    for await (const { raw } of readFrames(packs, run))
      for (const document of splitDocuments(raw)) {
        const { _id, currentVersion } = BSON.deserialize(document) as { _id: unknown; currentVersion?: number };
        if (_id === 'authSchema') return Number(currentVersion);
      }
  return currentSchema;
}

/**
 * Documents of users and roles are carried as they are, so that source and target must agree on their form. The
 * server's own rows of admin.system.version are not carried (consistency rules 18, 19).
 * @throws TargetNotSuitable
 */
export async function checkAuthSchema(client: MongoClient, index: BackupIndex, packs: PackSource): Promise<void> {
  const row = await atTarget(`a look at ${versionNs}`, () =>
    client.db('admin').collection<Document & { _id: string }>('system.version').findOne({ _id: 'authSchema' }),
  );
  const target = Number(row?.['currentVersion'] ?? currentSchema);
  const source = await schemaOfBackup(index, packs);
  if (source !== target)
    throw new HoldfastError(
      'TargetNotSuitable',
      `The backup's users have the authorization schema ${source}, the target's have ${target}.`,
      { next: 'Restore without users and roles, or to a server with the same authorization schema.' },
    );
}
