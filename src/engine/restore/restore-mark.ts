import { type MongoClient, MongoServerError, type Timestamp, type WriteConcernSettings } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { type RestoreResult, restoreResultSchema } from '../../domain/restore-result.ts';
import { atTarget } from './target-errors.ts';

/**
 * The database that marks a target as not whole, from the first write of a restore until its run has won the outcome
 * `completed`. Each run has a collection of its own in it, with one document: whoever finishes a run whose winner died
 * can only take off that run's mark, whatever another one does with the target meanwhile.
 */
export const markDatabase = 'holdfast_restore';
/** A collection of that database by which the restore tries what the target allows: no mark, and no run's id. */
export const probeCollection = 'uuid.probe';
const markId = 'restore';

export interface RestoreMark {
  readonly run: string;
  readonly state: 'loading' | 'replaying' | 'building indexes' | 'finishing' | 'loaded';
  readonly at: Date;
  /** Of a target that is whole (`loaded`): what its worker has to say, so that it need not be done again to be said. */
  readonly result?: RestoreResult;
}

/** As long as a backup waits for a majority that stands still (consistency rule 7), milliseconds. */
const firstPatience = 10 * 60_000;
/** Once the target is loaded: what gives up begins anew. */
const laterPatience = 60 * 60_000;
/** What removes it is tried again, by the next sweep, and must not keep that from everything else. */
const removalPatience = 60_000;
const writeConcernTimedOut = 64;

const marks = (client: MongoClient, run: string) =>
  client.db(markDatabase).collection<RestoreMark & { _id: string }>(run);

async function markCollections(client: MongoClient): Promise<string[]> {
  const listed = await atTarget('a look at its restore mark', () =>
    client.db(markDatabase).listCollections({}, { nameOnly: true }).toArray(),
  );
  return listed.map(({ name }) => name);
}

/** The mark that a restore left; another run's rather than that of the run given. */
export async function readMark(client: MongoClient, run: string): Promise<RestoreMark | undefined> {
  const names = (await markCollections(client)).filter((name) => name !== probeCollection);
  for (const name of [...names.filter((one) => one !== run), ...names.filter((one) => one === run)]) {
    const mark = await atTarget('a look at its restore mark', () =>
      marks(client, name).findOne({}, { projection: { _id: 0 } }),
    );
    if (mark) return mark;
  }
  return undefined;
}

/** What a worker of this run said of the target once it was whole; undefined while it is not. @throws TargetUnreachable */
export async function readLoaded(client: MongoClient, run: string): Promise<RestoreResult | undefined> {
  const mark = await atTarget('a look at its restore mark', () => marks(client, run).findOne({ _id: markId }));
  return mark?.state === 'loaded' ? restoreResultSchema.safeParse(mark.result).data : undefined;
}

/**
 * Writes the run's mark. Its write concern is the barrier of the restore: when it resolves, every earlier write to the
 * target is on a majority of its members too.
 * @param patience milliseconds without a further write on a majority. @throws TargetUnreachable
 */
export async function writeMark(
  client: MongoClient,
  mark: RestoreMark,
  patience = mark.state === 'loading' ? firstPatience : laterPatience,
): Promise<void> {
  await atTarget('the restore mark', () =>
    onMajority(client, patience, (writeConcern) =>
      marks(client, mark.run).replaceOne({ _id: markId }, mark, { upsert: true, writeConcern }),
    ),
  );
}

/**
 * Does a write that can be done again, until a majority has it. One that is behind is waited for, one that does not come on
 * is not: a primary whose only other member with data is down stays one for ever, and never has a majority.
 */
async function onMajority(
  client: MongoClient,
  patience: number,
  write: (writeConcern: WriteConcernSettings) => Promise<unknown>,
): Promise<void> {
  for (let before = await majorityPoint(client); ;) {
    try {
      await write({ w: 'majority', wtimeoutMS: patience });
      return;
    } catch (error) {
      if (!(error instanceof MongoServerError) || error.code !== writeConcernTimedOut) throw error;
      const now = await majorityPoint(client);
      if (now === before) throw standsStill(patience, error);
      before = now;
    }
  }
}

/** Up to where a majority of the target has its oplog; for comparison alone. */
async function majorityPoint(client: MongoClient): Promise<string> {
  const { lastWrite } = (await client.db('admin').command({ hello: 1 })) as {
    readonly lastWrite?: { readonly majorityOpTime?: { readonly ts: Timestamp } };
  };
  return JSON.stringify(lastWrite?.majorityOpTime?.ts ?? null);
}

function standsStill(patience: number, cause: Error): HoldfastError {
  return new HoldfastError(
    'TargetUnreachable',
    `For ${patience / 1000} s no further write to the target has reached a majority of its members.`,
    { cause, next: 'Look which member of the target is down or does not replicate (rs.status()), and restore again.' },
  );
}

/** Removes what other runs left there, once the target carries this run's mark. */
export async function removeOtherMarks(client: MongoClient, run: string): Promise<void> {
  for (const name of await markCollections(client)) if (name !== run) await removeMark(client, name, firstPatience);
}

/**
 * Takes the run's mark off, when its outcome is `completed`: the last thing that it does to the target. Safe to run again.
 * @param patience as of {@link writeMark}. @throws TargetUnreachable
 */
export async function removeMark(client: MongoClient, run: string, patience = removalPatience): Promise<void> {
  await atTarget('the removal of the restore mark', () =>
    onMajority(client, patience, (writeConcern) => client.db(markDatabase).dropCollection(run, { writeConcern })),
  );
}
