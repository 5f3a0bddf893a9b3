import type { Logger } from '../../application/ports/logger.ts';
import type { ScratchServers } from '../../application/ports/scratch-servers.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { OpTime, Timestamp } from '../../domain/timestamp.ts';
import type { SliceInStore } from '../oplog/read-slices.ts';
import { freeBytes } from '../packs/free-bytes.ts';
import { inOrder } from '../packs/in-order.ts';
import { insertDocuments } from '../restore/insert-documents.ts';
import { missingEntries, OplogFacts } from './captured-oplog.ts';
import { readLayout } from './data-directory-layout.ts';
import type { EntriesToAppend } from './entries-to-append.ts';
import { findUncounted } from './fast-counts.ts';
import { makeRoom, readSafeTop, truncateOplogAfter } from './oplog-of-files.ts';
import { decidePrepared, findDecisions, readPrepared } from './prepared-transactions.ts';
import { type ExpectedOplog, requirePristine, requireRecovered } from './recovery-proof.ts';
import { asFirstRecovery, type ScratchPlace, type ScratchSession, withScratchServer } from './scratch-session.ts';

/** An entry lies in the oplog by its timestamp, in whatever order it comes (mongodb-verified.md §3). */
const insertsAtOnce = 3;

export interface RecoverInput {
  /** A pristine, crash-consistent copy of a member's data directory: changed by this, and of no use when it fails. */
  readonly directory: string;
  readonly restoreTime: Timestamp;
  /** A chain that begins at or before the end of the files' own oplog and reaches the restore time. */
  readonly slices: readonly SliceInStore[];
  /** Of the member whose files these are. */
  readonly serverVersion: string;
}

export interface RecoverDeps {
  readonly scratch: ScratchServers;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Entries that were appended to the files' oplog, so far. */
  readonly onAppended: (entries: number) => void;
}

export interface Recovered {
  /** What the oplog of the files ends with now: the greatest captured entry that is not after the restore time. */
  readonly end: OpTime;
  /** Entries that the files lacked. */
  readonly appended: number;
  /** Operations that the server applied, also of entries that the files held. */
  readonly applied: number;
  /** Transactions that were prepared at the restore time, and then committed or aborted as they were at the source. */
  readonly prepared: number;
  /** Indexes that were being built, and were left out to decide those. */
  readonly unfinished: readonly string[];
  /** UUIDs of collections whose fast counts recovery has left behind. */
  readonly uncounted: readonly string[];
  readonly seconds: { readonly append: number; readonly replay: number };
}

/** How to open the files again, with the same server. */
export async function scratchPlace(
  { directory, serverVersion }: Pick<RecoverInput, 'directory' | 'serverVersion'>,
  { scratch, signal }: Pick<RecoverDeps, 'scratch' | 'signal'>,
): Promise<ScratchPlace> {
  return { scratch, directory, serverVersion, signal, layout: await readLayout(directory) };
}

const seconds = (from: number) => (performance.now() - from) / 1000;

/**
 * Brings a pristine copy of a member's files to exactly the restore time, by the server's own recovery
 * (reference/mongodb-verified.md §3): the captured entries that it lacks are appended to its oplog (single writes without
 * their sessions, ADR 0048, all others as they are), the oplog is cut at the restore time, and a mongod that is asked to recovers it. All at once: what was recovered can't be
 * recovered further. Three mistakes that the server accepts without a word are refused here: a gap between the entries,
 * a time before the files', and files that were recovered before.
 * @throws RecoveryFailed, OplogGap, VerificationFailed, CorruptObject, MongodUnavailable, ScratchServerFailed, the
 * storage's errors, the signal's reason; afterwards the files are of no use
 */
export async function recoverFiles(input: RecoverInput, deps: RecoverDeps): Promise<Recovered> {
  const place = await scratchPlace(input, deps);
  let from = performance.now();
  const expected = await withScratchServer(place, {}, (session) => append(session, input, deps));
  const appending = seconds(from);
  deps.logger.info('Oplog appended', { entries: expected.added, seconds: appending });
  from = performance.now();
  const { applied, prepared, uncounted } = await withScratchServer(place, asFirstRecovery, async (session) => {
    const { client } = session;
    // Each goes through the oplog once, on a core of its own where there is one.
    const [operations, own] = await Promise.all([
      requireRecovered(session, expected),
      findUncounted(client, expected.stable, expected.safe.ts),
    ]);
    return {
      applied: operations,
      prepared: await readPrepared(client, deps.signal),
      uncounted: [...new Set([...own, ...expected.counted])],
    };
  });
  const replaying = seconds(from);
  deps.logger.info('Files recovered', { operations: applied, seconds: replaying });
  const unfinished =
    prepared.length > 0 ? await decidePrepared(place, prepared, await findDecisions(prepared, input)) : [];
  const { end, added: appended } = expected;
  const spent = { append: appending, replay: replaying };
  return { end, appended, applied, prepared: prepared.length, unfinished, uncounted, seconds: spent };
}

interface Appended extends ExpectedOplog {
  /** Of the checkpoint that recovery begins with. */
  readonly stable: Timestamp;
  /** UUIDs of collections that the appended entries add documents to or remove some from. */
  readonly counted: readonly string[];
}

async function append(
  { server, client }: ScratchSession,
  { restoreTime, slices }: RecoverInput,
  { signal, onAppended }: RecoverDeps,
): Promise<Appended> {
  const stable = await requirePristine(server, restoreTime);
  const safe = await readSafeTop(client);
  await makeRoom(
    client,
    slices.reduce((sum, { slice }) => sum + slice.rawBytes, 0),
  );
  const facts = new OplogFacts();
  const target = { client, host: undefined, signal };
  let appended = 0;
  const insert = async ({ bytes, count }: EntriesToAppend): Promise<number> => {
    signal.throwIfAborted();
    await insertDocuments(target, 'local.oplog.rs', bytes);
    freeBytes(bytes);
    return count;
  };
  const missing = missingEntries({ slices, restoreTime, safe }, facts);
  for await (const inserted of inOrder(missing, insertsAtOnce, insert)) {
    appended += inserted;
    onAppended(appended);
  }
  if (!facts.end) throw new HoldfastError('Internal', 'the captured oplog was read without an end');
  await truncateOplogAfter(client, restoreTime);
  return { stable, end: facts.end, safe, added: facts.count, counted: facts.counted.uuids };
}
