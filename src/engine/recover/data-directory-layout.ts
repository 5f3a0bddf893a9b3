import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BSON } from 'mongodb';
import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';

/** `storage.bson`: what mongod writes down of the options that a data directory was made with, and insists on. */
const storageSchema = z.looseObject({
  storage: z.looseObject({
    engine: z.string(),
    options: z
      .looseObject({ directoryPerDB: z.boolean().optional(), directoryForIndexes: z.boolean().optional() })
      .optional(),
  }),
});

/**
 * The options of mongod that the files want (6.0: directoryPerDB, directoryForIndexes).
 * @throws RecoveryFailed when it is no data directory of WiredTiger
 */
export async function readLayout(directory: string): Promise<string[]> {
  const file = join(directory, 'storage.bson');
  let document: unknown;
  try {
    document = BSON.deserialize(await readFile(file));
  } catch (cause) {
    throw new HoldfastError('RecoveryFailed', `${directory} is no data directory: storage.bson cannot be read.`, {
      cause,
    });
  }
  const parsed = storageSchema.safeParse(document);
  if (!parsed.success || parsed.data.storage.engine !== 'wiredTiger')
    throw new HoldfastError('RecoveryFailed', `${file} does not describe files of WiredTiger.`);
  const { directoryPerDB, directoryForIndexes } = parsed.data.storage.options ?? {};
  return [
    ...(directoryPerDB === true ? ['--directoryperdb'] : []),
    ...(directoryForIndexes === true ? ['--wiredTigerDirectoryForIndexes'] : []),
  ];
}
