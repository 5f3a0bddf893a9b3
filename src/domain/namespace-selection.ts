import { HoldfastError } from './errors.ts';
import { splitNamespace } from './names.ts';

export interface NamespaceRename {
  readonly from: string;
  readonly to: string;
}

/** Databases that no restore reads from or writes to by name: the server's own, and that of the restore's mark. */
const reserved: ReadonlySet<string> = new Set(['local', 'config', 'holdfast_restore']);
const every = '*';
const buckets = 'system.buckets.';
const views = 'system.views';

const isEvery = (pattern: string): boolean => splitNamespace(pattern).coll === every;
const covers = (pattern: string, ns: string): boolean =>
  pattern === ns || (isEvery(pattern) && splitNamespace(pattern).db === splitNamespace(ns).db);

function refuse(given: string, why: string): HoldfastError {
  return new HoldfastError('InvalidInput', `${given} can't be restored by name: ${why}`, {
    next: 'Write database.collection, or database.* for a whole database; a rename as a.x=b.y or a.*=b.*.',
  });
}

/** @throws InvalidInput */
function requirePattern(pattern: string): void {
  if (!/^[^.$\0/\\ "]+\.[^$\0]+$/.test(pattern)) throw refuse(`"${pattern}"`, 'it names no collection');
  const { db, coll } = splitNamespace(pattern);
  if (reserved.has(db)) throw refuse(pattern, `the database ${db} is the server's own`);
  if (coll.startsWith('system.'))
    throw refuse(pattern, "a system collection comes with its database's, or with what it belongs to");
  if (db === 'admin' && coll === every)
    throw refuse(pattern, 'users and roles have options of their own, and the rest of admin is named one by one');
}

/**
 * Which collections, views and time-series a restore takes, and what they are called in the target. The names are those
 * that they have at the restore time: a collection that was renamed before is meant by its later name (ADR 0029).
 */
export class NamespaceSelection {
  readonly #namespaces: readonly string[] | undefined;
  readonly #renames: readonly NamespaceRename[];

  /**
   * @param namespaces `db.coll` and `db.*`; undefined for everything
   * @throws InvalidInput for names that can't be meant, and for a rename of what is not taken
   */
  constructor(namespaces: readonly string[] | undefined, renames: readonly NamespaceRename[]) {
    for (const pattern of [...(namespaces ?? []), ...renames.flatMap(({ from, to }) => [from, to])])
      requirePattern(pattern);
    for (const { from, to } of renames) {
      if (isEvery(from) !== isEvery(to))
        throw refuse(`${from}=${to}`, 'one side is a whole database, the other a collection');
      if (namespaces && !namespaces.some((pattern) => covers(pattern, from) || covers(from, pattern)))
        throw refuse(`${from}=${to}`, `${from} is not among what is restored`);
      if (renames.filter((other) => other.from === from).length > 1) throw refuse(from, 'it is renamed twice');
    }
    this.#namespaces = namespaces;
    this.#renames = renames;
  }

  /** What was asked for by name; each must be there. */
  get namespaces(): readonly string[] {
    return this.#namespaces ?? [];
  }

  /**
   * The names of the target that the restore fills, and that must be empty or are deleted before: `db.coll` and `db.*`.
   * Undefined for the whole target.
   */
  get scope(): readonly string[] | undefined {
    if (!this.#namespaces) return undefined;
    const renamed = this.#renames
      .filter(({ from }) => this.#namespaces?.some((pattern) => covers(pattern, from)))
      .map(({ to }) => to);
    return [...new Set([...this.#namespaces.map((pattern) => this.#rename(pattern)), ...renamed])];
  }

  /** Whether that pattern is what the collection, view or time-series was asked for by. */
  static isNamedBy(pattern: string, ns: string): boolean {
    return covers(pattern, logicalName(ns));
  }

  /**
   * The name in the target; undefined for what is not taken. A time-series' buckets follow its name.
   * @param ns of a collection or a view, at the restore time; not `system.views`, whose rows are taken one by one
   */
  targetOf(ns: string): string | undefined {
    const name = logicalName(ns);
    const taken = this.#namespaces?.some((pattern) => covers(pattern, name)) ?? true;
    if (!taken || splitNamespace(ns).coll === views) return undefined;
    const renamed = this.#rename(name);
    if (name === ns) return renamed;
    const { db, coll } = splitNamespace(renamed);
    return `${db}.${buckets}${coll}`;
  }

  #rename(ns: string): string {
    const exact = this.#renames.find(({ from }) => from === ns);
    if (exact) return exact.to;
    const whole = this.#renames.find(({ from }) => covers(from, ns));
    return whole ? `${splitNamespace(whole.to).db}.${splitNamespace(ns).coll}` : ns;
  }
}

/** @returns undefined for everything under its own name. @throws InvalidInput */
export function selectionOf({
  namespaces,
  renames = [],
}: {
  readonly namespaces?: readonly string[] | undefined;
  readonly renames?: readonly NamespaceRename[] | undefined;
}): NamespaceSelection | undefined {
  return namespaces || renames.length > 0 ? new NamespaceSelection(namespaces, renames) : undefined;
}

/** Of the buckets of a time-series: the time-series. */
function logicalName(ns: string): string {
  const { db, coll } = splitNamespace(ns);
  return coll.startsWith(buckets) ? `${db}.${coll.slice(buckets.length)}` : ns;
}
