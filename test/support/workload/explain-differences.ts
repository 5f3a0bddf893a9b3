import { BSON, type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { formatTimestamp, type Timestamp } from '../../../src/domain/timestamp.ts';
import { onlyPart } from '../take-backup.ts';
import type { Workload } from './workload.ts';

const maxLines = 150;

/** Namespaces that a difference is about: `x › collections › a` and `x.a`. */
function namespacesOf(differences: readonly string[]): string[] {
  const found = differences.flatMap((line) => [
    ...[...line.matchAll(/^(\w+) › collection\w* › ([\w.]+)/g)].map(([, db, name]) => `${db}.${name}`),
    ...[...line.matchAll(/\b((?:x|y|gone)\.[\w.]+)/g)].map(([, ns]) => ns ?? ''),
  ]);
  return [...new Set(found)];
}

interface Entry {
  readonly ts: BsonTimestamp;
  readonly op: string;
  readonly ns: string;
  readonly ui?: BSON.Binary;
  readonly o?: BSON.Document;
  readonly o2?: BSON.Document;
}

/** `x.a`, and `a` as a word in an entry of `x.$cmd`. */
function namesOne(text: string, namespaces: readonly string[]): boolean {
  return namespaces.some((ns) => {
    const [db, name] = [ns.slice(0, ns.indexOf('.')), ns.slice(ns.indexOf('.') + 1)];
    return text.includes(`"${ns}"`) || (text.startsWith(`${db}.$cmd`) && text.includes(`"${name}"`));
  });
}

async function readEntries(client: MongoClient, from: Timestamp, namespaces: readonly string[]): Promise<string[]> {
  const oplog = client.db('local').collection('oplog.rs');
  const found: { readonly line: string; readonly uuid: string; readonly named: boolean }[] = [];
  for await (const { ts, op, ns, ui, o, o2 } of oplog.find<Entry>({ ts: { $gte: new BsonTimestamp(from) } })) {
    const text = BSON.EJSON.stringify({ op, ns, ui, o, o2 });
    const line = `${ts.t}:${ts.i} ${text.slice(0, 400)}`;
    found.push({ line, uuid: ui?.toString() ?? '', named: namesOne(`${ns} ${text}`, namespaces) });
  }
  // A collection has had other names: its UUID tells.
  const uuids = new Set(found.filter(({ named, uuid }) => named && uuid !== '').map(({ uuid }) => uuid));
  return found.filter(({ named, uuid }) => named || uuids.has(uuid)).map(({ line }) => line);
}

/** What one needs to find the cause: the seed, the differences, and what workload and oplog say of their namespaces. */
export async function explainDifferences(
  client: MongoClient,
  workload: Workload,
  manifest: Manifest,
  {
    seed,
    restoreTime,
    what,
  }: { readonly seed: number; readonly restoreTime: Timestamp; readonly what: readonly string[] },
): Promise<string> {
  const { base, point } = onlyPart(manifest);
  const namespaces = namespacesOf(what);
  const names = namespaces.flatMap((ns) => [ns, ` ${ns.slice(ns.indexOf('.') + 1)}`]);
  const entries = await readEntries(client, base.captureFrom.ts, namespaces);
  const times = `capture from ${formatTimestamp(base.captureFrom.ts)}, applied from ${formatTimestamp(base.applyFrom.ts)}, point ${formatTimestamp(point.ts)}, restore time ${formatTimestamp(restoreTime)}`;
  return [
    `Seed ${seed}: the restored server differs (HOLDFAST_SEEDS=${seed}-${seed} runs it alone); ${times}:`,
    ...what.slice(0, 30),
    `Operations that name ${names.join(', ')}:`,
    ...workload.log(names).slice(-maxLines),
    'Entries:',
    ...entries.slice(-maxLines),
  ].join('\n');
}
