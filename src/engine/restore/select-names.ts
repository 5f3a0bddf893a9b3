import { HoldfastError } from '../../domain/errors.ts';
import { NamespaceSelection } from '../../domain/namespace-selection.ts';
import { splitNamespace } from '../../domain/names.ts';
import { findElement } from '../bson/raw-document.ts';
import { readString, splitDocuments } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { BackupIndex } from '../packs/index-reader.ts';
import { joinFrames, type PackSource, readFrames } from '../packs/pack-reader.ts';
import { targetNamespace } from '../replay/carried-namespaces.ts';
import type { BaseView, EndState } from '../replay/names-at-end.ts';

/** What a restore of some collections makes, under the names that it has in the target from the beginning. */
export interface SelectedNames {
  /** Collections by the source's UUID; those of users and roles are among them, when they were asked for. */
  readonly collections: ReadonlyMap<string, string>;
  /** Views and those of time-series, as rows of the system.views of their database. */
  readonly views: readonly { readonly ns: string; readonly row: Buffer }[];
}

const maxRunBytes = 1024 * 1024;
const bucketsPrefix = 'system.buckets.';

/** The rows of system.views that the base holds. @throws CorruptObject, ObjectNotFound */
export async function readBaseViews(index: BackupIndex, packs: PackSource): Promise<BaseView[]> {
  const uuids = new Map(index.namespaces.map(({ ns, uuid }) => [ns, uuid]));
  const frames = index.frames.inPackOrder((ns) => ns.endsWith('.system.views'));
  const found: BaseView[] = [];
  for (const run of joinFrames(frames, maxRunBytes))
    for await (const { frame, raw } of readFrames(packs, run))
      for (const row of splitDocuments(raw)) {
        const uuid = uuids.get(frame.ns);
        // The frame's memory is used again.
        if (uuid) found.push({ uuid, row: Buffer.from(row) });
      }
  return found;
}

/** A row under another name; that of a time-series names its buckets. */
function renamedRow(row: Buffer, ns: string): Buffer {
  const viewOn = findElement(row, 'viewOn');
  const isTimeSeries = viewOn !== undefined && readString(row, viewOn).startsWith(bucketsPrefix);
  const writer = new RawWriter().string('_id', ns);
  if (isTimeSeries) writer.string('viewOn', bucketsPrefix + splitNamespace(ns).coll);
  return writer.elements(row, (name) => name !== '_id' && !(isTimeSeries && name === 'viewOn')).toBuffer();
}

/**
 * Chooses by the names at the restore time, however often a collection was renamed before.
 * @throws InvalidInput for a name that nothing has then, and for two that get the same one in the target
 */
export function selectNames(end: EndState, selection: NamespaceSelection, users: boolean): SelectedNames {
  const taken = new Map<string, string>();
  const take = (ns: string, target: string): void => {
    const other = taken.get(target);
    if (other !== undefined)
      throw new HoldfastError('InvalidInput', `${other} and ${ns} can't both be restored as ${target}.`);
    taken.set(target, ns);
  };
  const collections = new Map<string, string>();
  for (const [uuid, ns] of end.names) {
    const carried = targetNamespace(ns, users);
    const target = carried === ns ? selection.targetOf(ns) : carried;
    if (target === undefined) continue;
    take(ns, target);
    collections.set(uuid, target);
  }
  const views: { ns: string; row: Buffer }[] = [];
  for (const [ns, row] of end.views) {
    const target = selection.targetOf(ns);
    if (target === undefined) continue;
    take(ns, target);
    views.push({ ns: target, row: renamedRow(row, target) });
  }
  requireFound(selection.namespaces, [...taken.values()]);
  return { collections, views };
}

function requireFound(patterns: readonly string[], found: readonly string[]): void {
  const missing = patterns.filter((pattern) => !found.some((ns) => NamespaceSelection.isNamedBy(pattern, ns)));
  if (missing.length === 0) return;
  throw new HoldfastError('InvalidInput', `At the restore time there is no ${missing.join(', and no ')}.`, {
    next: 'Check the name; a collection that was dropped before is found with --before-drop, or at an earlier time.',
  });
}
