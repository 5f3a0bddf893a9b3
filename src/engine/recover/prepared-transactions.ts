import { BSON, Long, type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import { readInt64, subDocument } from '../bson/raw-values.ts';
import { readOplogEntry, transactionKey, transactionRole } from '../oplog/oplog-entry.ts';
import { readSliceStream, type SliceInStore } from '../oplog/read-slices.ts';
import { commitTimestamp } from '../replay/transactions.ts';
import { askTarget } from '../restore/ask-target.ts';
import { readAllRaw } from '../source/raw-cursor.ts';
import { commandSection } from '../wire/op-msg.ts';
import { withOnlyMember } from './only-member.ts';
import { asRecovery, type ScratchPlace, withScratchServer } from './scratch-session.ts';

/** A transaction that is prepared in the files, and that recovery leaves so. */
export interface PreparedInFiles {
  /** As {@link transactionKey} of its entries. */
  readonly key: string;
  /** BSON. */
  readonly lsid: Buffer;
  readonly txnNumber: bigint;
}

/** When it counts as committed, or that it was aborted, or counts as that at the restore time. */
type Decision = { readonly commitTimestamp: Timestamp } | 'abort';

export async function readPrepared(client: MongoClient, signal: AbortSignal): Promise<PreparedInFiles[]> {
  const find = { find: 'transactions', filter: { state: 'prepared' }, projection: { _id: 1, txnNum: 1 } };
  return (await readAllRaw(client, 'config', find, { signal })).map((row) => {
    const [id, number] = [findElement(row, '_id'), findElement(row, 'txnNum')];
    if (!id || !number) throw new HoldfastError('RecoveryFailed', 'A row of config.transactions has no session.');
    const lsid = Buffer.from(subDocument(row, id));
    const txnNumber = readInt64(row, number);
    return { key: `${lsid.toString('hex')}:${txnNumber}`, lsid, txnNumber };
  });
}

/**
 * Consistency rule 11: it is in the restore iff its commitTimestamp is not after the restore time, wherever its commit
 * entry lies; the captured oplog goes on until all of them are decided (rule 7).
 * @throws OplogGap when one is not
 */
export async function findDecisions(
  prepared: readonly PreparedInFiles[],
  { slices, restoreTime }: { readonly slices: readonly SliceInStore[]; readonly restoreTime: Timestamp },
): Promise<Map<string, Decision>> {
  const keys = new Set(prepared.map(({ key }) => key));
  const decisions = new Map<string, Decision>();
  const later = slices.filter(({ slice }) => compareTimestamps(slice.to.ts, restoreTime) >= 0);
  for await (const piece of readSliceStream(later))
    for (const raw of piece) {
      const entry = readOplogEntry(raw);
      const role = transactionRole(entry);
      if (compareTimestamps(entry.opTime.ts, restoreTime) <= 0 || (role !== 'commit' && role !== 'abort')) continue;
      const key = transactionKey(entry);
      if (!keys.has(key) || decisions.has(key)) continue;
      const at = commitTimestamp(entry);
      const isCommitted = role === 'commit' && compareTimestamps(at, restoreTime) <= 0;
      decisions.set(key, isCommitted ? { commitTimestamp: at } : 'abort');
    }
  const open = prepared.find(({ key }) => !decisions.has(key));
  if (open)
    throw new HoldfastError(
      'OplogGap',
      `The transaction ${open.key} (session:number) is prepared at ${formatTimestamp(restoreTime)}, and neither committed nor aborted in the captured oplog.`,
    );
  return decisions;
}

/** Sent as it is: the driver would put a session of its own in place of the transaction's. */
async function decide(
  client: MongoClient,
  { lsid, txnNumber }: PreparedInFiles,
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const name = decision === 'abort' ? 'abortTransaction' : 'commitTransaction';
  const command = {
    [name]: 1,
    lsid: BSON.deserialize(lsid, { promoteBuffers: false, promoteValues: false }),
    txnNumber: Long.fromBigInt(txnNumber),
    autocommit: false,
    ...(decision !== 'abort' && { commitTimestamp: new BsonTimestamp(decision.commitTimestamp) }),
    writeConcern: { w: 'majority' },
    $db: 'admin',
  };
  await askTarget({ client, host: undefined, signal }, `the ${name} of a prepared transaction`, [
    commandSection(command),
  ]);
}

/**
 * Consistency rule 12: commits or aborts in the files what recovery left prepared. Only a member of a set brings such
 * transactions back to life, so that the files become those of a set of one for this; what it then has in its oplog
 * only is recovered once more.
 * @returns indexes that were being built, which the files lose by it
 * @throws RecoveryFailed, RestoreRejected, ScratchServerFailed, the signal's reason
 */
export async function decidePrepared(
  place: ScratchPlace,
  prepared: readonly PreparedInFiles[],
  decisions: ReadonlyMap<string, Decision>,
): Promise<readonly string[]> {
  const { signal } = place;
  const unfinished = await withOnlyMember(place, async ({ client }, dropped) => {
    for (const one of prepared) await decide(client, one, decisions.get(one.key) ?? 'abort', signal);
    return dropped;
  });
  await withScratchServer(place, asRecovery, async ({ client }) => {
    const left = await readPrepared(client, signal);
    if (left.length > 0)
      throw new HoldfastError('RecoveryFailed', `${left.length} transactions are still prepared in the files.`);
  });
  return unfinished;
}
