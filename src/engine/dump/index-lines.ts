import type { IndexLine, IndexNamespace } from '../../domain/backup-index.ts';
import type { LogicalBase } from '../../domain/base.ts';
import { findElement } from '../bson/raw-document.ts';
import { readString } from '../bson/raw-values.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import type { DumpedNamespace } from './dump-namespaces.ts';

const base64 = (buffers: readonly Buffer[]): string[] => buffers.map((buffer) => buffer.toString('base64'));

function namespaceLine({ entry, collection }: DumpedNamespace): IndexNamespace {
  return {
    kind: 'namespace',
    ns: entry.ns,
    type: entry.type,
    uuid: entry.uuid,
    options: entry.options.toString('base64'),
    indexes: base64(collection?.indexes ?? []),
    unfinishedIndexes: base64(collection?.unfinished ?? []),
    documents: collection?.documents ?? null,
    rawBytes: collection?.rawBytes ?? null,
  };
}

/** The lines of the part's index: header, packs, then each namespace followed by its frames in scan order. */
export function* indexLines(
  header: { readonly backupId: string; readonly part: string; readonly codec: LogicalBase['codec'] },
  packs: readonly WrittenPack[],
  namespaces: readonly DumpedNamespace[],
): Generator<IndexLine> {
  yield { kind: 'header', schemaVersion: 1, ...header };
  for (const { name: pack, size, crc32 } of packs) yield { kind: 'pack', pack, size, crc32 };
  for (const namespace of namespaces) {
    yield namespaceLine(namespace);
    const { ns } = namespace.entry;
    for (const frame of namespace.collection?.frames ?? []) yield { kind: 'frame', ns, ...frame };
  }
}

/** What the manifest says about a namespace to people. */
export function namespaceSummary({ entry, collection }: DumpedNamespace): LogicalBase['namespaces'][number] {
  return {
    ns: entry.ns,
    type: entry.type,
    uuid: entry.uuid,
    documents: collection?.documents ?? null,
    rawBytes: collection?.rawBytes ?? null,
    indexes: (collection?.indexes ?? []).map((spec) => {
      const name = findElement(spec, 'name');
      return name ? readString(spec, name) : '';
    }),
  };
}
