import type { MongoClient } from 'mongodb';
import { atTarget } from './target-errors.ts';

/** The database that marks a target as half-filled from the first write of a restore until its success. */
export const markDatabase = 'holdfast_restore';
const collection = 'mark';
const majority = { writeConcern: { w: 'majority' } } as const;

export interface RestoreMark {
  readonly run: string;
  readonly state: string;
  readonly at: Date;
}

export async function readMark(client: MongoClient): Promise<RestoreMark | undefined> {
  const mark = await atTarget('a look at its restore mark', () =>
    client
      .db(markDatabase)
      .collection<RestoreMark>(collection)
      .findOne({}, { projection: { _id: 0 } }),
  );
  return mark ?? undefined;
}

/**
 * Writes `{run, state}`. Its write concern is the barrier of the restore: when it resolves, every earlier write to the
 * target is on a majority of its members too.
 */
export async function writeMark(client: MongoClient, mark: RestoreMark): Promise<void> {
  await atTarget('the restore mark', () =>
    client
      .db(markDatabase)
      .collection<RestoreMark & { _id: string }>(collection)
      .replaceOne({ _id: 'restore' }, mark, { upsert: true, ...majority }),
  );
}

/** Removes the mark, after everything else: the target is whole. */
export async function removeMark(client: MongoClient): Promise<void> {
  await atTarget('the removal of the restore mark', () => client.db(markDatabase).dropDatabase(majority));
}
