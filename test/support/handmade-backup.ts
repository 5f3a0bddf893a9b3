import { hash } from 'node:crypto';
import { crc32, zstdCompressSync } from 'node:zlib';
import { BSON, type Document } from 'mongodb';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { IndexLine } from '../../src/domain/backup-index.ts';
import type { SliceSummary } from '../../src/domain/base.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { artifactKeys, packName } from '../../src/domain/names.ts';
import { readOplogEntry } from '../../src/engine/oplog/oplog-entry.ts';
import { encodeSliceHeader } from '../../src/engine/oplog/slice-format.ts';
import { at, rawEntry, uuidHex } from './oplog-entries.ts';

export interface HandmadeCollection {
  readonly ns: string;
  /** Of `uuidHex`. */
  readonly uuid: number;
  readonly options?: Document;
  /** Without `_id_`. */
  readonly indexes?: readonly Document[];
  readonly unfinished?: readonly Document[];
  readonly documents?: readonly Document[];
}

/** A backup made by hand: oplog entries are at second 100, their increments are given. */
export interface HandmadeBackup {
  readonly collections: readonly HandmadeCollection[];
  /** After a no-op at increment 1; the restore time is `restoreTime`. */
  readonly entries?: readonly Buffer[];
  /** Default 1: everything is replayed. */
  readonly applyFrom?: number;
  /** Default 1: everything is after the base's point. */
  readonly point?: number;
  /** Default: the last entry. */
  readonly restoreTime?: number;
}

const backupId = '20261122T101530Z-logical-hand';
const raw = (document: Document) => Buffer.from(BSON.serialize(document, { ignoreUndefined: true }));
const base64 = (document: Document) => raw(document).toString('base64');
const idIndex = { v: 2, key: { _id: 1 }, name: '_id_' };

async function putObject(store: ObjectStore, key: string, body: Buffer) {
  await store.put(key, body);
  const crc = crc32(body).toString(16).padStart(8, '0');
  return { key, size: body.length, crc32: crc, sha256: hash('sha256', body) };
}

async function writeBase(store: ObjectStore, partPrefix: string, { collections }: HandmadeBackup) {
  const pack = packName(1, 1);
  const lines: IndexLine[] = [];
  const stored: Buffer[] = [];
  let offset = 0;
  for (const { ns, uuid, options = {}, indexes = [], unfinished = [], documents = [] } of collections) {
    const content = Buffer.concat(documents.map(raw));
    lines.push({
      kind: 'namespace',
      ns,
      type: 'collection',
      uuid: uuidHex(uuid),
      options: base64(options),
      indexes: [idIndex, ...indexes].map(base64),
      unfinishedIndexes: unfinished.map(base64),
      documents: documents.length,
      rawBytes: content.length,
    });
    if (documents.length === 0) continue;
    const frame = zstdCompressSync(content);
    const sizes = { offset, length: frame.length, rawLength: content.length, documents: documents.length };
    lines.push({ kind: 'frame', ns, pack, ...sizes, sha256: hash('sha256', frame) });
    stored.push(frame);
    offset += frame.length;
  }
  const object = await putObject(store, artifactKeys.pack(partPrefix, pack), Buffer.concat(stored));
  const { key, size, crc32: crc } = object;
  const header = { kind: 'header', schemaVersion: 1, backupId, part: 'rs0', codec: 'zstd' } as const;
  const text = [header, { kind: 'pack', pack, size, crc32: crc }, ...lines]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
  const index = await putObject(store, artifactKeys.index(partPrefix), zstdCompressSync(text));
  return { index, packs: [{ key, size, crc32: crc }] };
}

async function writeSlice(store: ObjectStore, partPrefix: string, entries: readonly Buffer[]): Promise<SliceSummary> {
  const body = Buffer.concat(entries);
  const times = entries.map((entry) => readOplogEntry(entry).opTime);
  const [from, to] = [times[0] ?? at(0), times.at(-1) ?? at(0)];
  const header = await encodeSliceHeader({
    schemaVersion: 1,
    from,
    to,
    entries: entries.length,
    rawBytes: body.length,
    sha256: hash('sha256', body),
    member: 'a:1',
    serverVersion: '6.0.5',
    run: 'run-1',
    fence: 1,
    prepared: [],
  });
  const key = artifactKeys.slice(artifactKeys.oplog(partPrefix), from.ts);
  const { size, crc32: crc } = await putObject(store, key, Buffer.concat([header, zstdCompressSync(body)]));
  return { key, from, to, entries: entries.length, rawBytes: body.length, size, crc32: crc };
}

/** Writes the backup's objects and returns its manifest. */
export async function makeBackup(store: ObjectStore, backup: HandmadeBackup): Promise<Manifest> {
  const partPrefix = artifactKeys.part('orders', backupId, 'rs0');
  const { index, packs } = await writeBase(store, partPrefix, backup);
  const entries = [rawEntry(1, { op: 'n', ns: '', o: { msg: 'start' } }), ...(backup.entries ?? [])];
  const slice = await writeSlice(store, partPrefix, entries);
  const day = '2026-11-22T10:15:30.000Z';
  const topology = {
    name: 'rs0',
    role: 'replicaSet' as const,
    replicaSet: 'rs0',
    replicaSetId: null,
    term: null,
    configVersion: null,
    majorityVoteCount: null,
    writeMajorityCount: null,
    majorityOpTime: null,
    members: [],
  };
  return {
    schemaVersion: 1,
    backupId,
    deployment: 'orders',
    kind: 'replicaSet',
    method: 'logical',
    methodReason: 'test',
    storage: 'test',
    run: 'run-1',
    fence: 1,
    requestedBy: 'test',
    labels: {},
    createdAt: day,
    finishedAt: day,
    restoreTime: backup.restoreTime === undefined ? slice.to.ts : at(backup.restoreTime).ts,
    restoreTimeWall: day,
    serverVersion: '6.0.5',
    featureCompatibilityVersion: '6.0',
    toolVersion: '0.1.0',
    usersAndRoles: false,
    warnings: [],
    totals: { namespaces: 0, documents: 0, rawBytes: 0, storedBytes: 0, oplogEntries: 0, seconds: 0 },
    parts: [
      {
        name: 'rs0',
        topology,
        member: 'a:1',
        memberReason: 'test',
        memberVerdicts: [],
        base: {
          schemaVersion: 1,
          method: 'logical',
          attempt: 1,
          member: 'a:1',
          codec: 'zstd',
          index,
          packs,
          namespaces: [],
          documents: 0,
          rawBytes: 0,
          storedBytes: 0,
          captureFrom: at(1),
          applyFrom: at(backup.applyFrom ?? 1),
          startedAt: day,
          finishedAt: day,
        },
        point: at(backup.point ?? 1),
        oplog: { from: slice.from, to: slice.to, slices: [slice] },
      },
    ],
    sha256: '0'.repeat(64),
  };
}
