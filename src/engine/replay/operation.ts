import { HoldfastError } from '../../domain/errors.ts';
import { formatTimestamp, type Timestamp } from '../../domain/timestamp.ts';
import { bsonType, elements, findElement, type RawElement } from '../bson/raw-document.ts';
import { arrayDocuments, readBinary, readString, subDocument } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { OplogEntry } from '../oplog/oplog-entry.ts';
import { collModOptions } from './collection-catalog.ts';

/** One change that an oplog entry, or one operation inside an applyOps entry, made. Buffers are views of the entry. */
export type Operation =
  | { readonly kind: 'insert' | 'delete'; readonly ns: string; readonly uuid: string; readonly o: Buffer }
  | {
      readonly kind: 'update';
      readonly ns: string;
      readonly uuid: string;
      readonly o: Buffer;
      readonly o2: Buffer;
    }
  | { readonly kind: 'create'; readonly ns: string; readonly uuid: string; readonly o: Buffer }
  | { readonly kind: 'drop'; readonly ns: string; readonly uuid: string }
  | { readonly kind: 'dropDatabase'; readonly ns: string }
  | {
      readonly kind: 'rename';
      readonly ns: string;
      readonly uuid: string;
      readonly to: string;
      readonly dropTarget: string | undefined;
    }
  | { readonly kind: 'createIndexes'; readonly ns: string; readonly uuid: string; readonly specs: readonly Buffer[] }
  | { readonly kind: 'dropIndex'; readonly ns: string; readonly uuid: string; readonly name: string }
  | { readonly kind: 'collMod'; readonly ns: string; readonly uuid: string; readonly o: Buffer }
  | { readonly kind: 'emptyCapped'; readonly ns: string; readonly uuid: string }
  /** An index build that began or ended without an index, a no-op, a dbCheck: nothing to do, by its own rule. */
  | { readonly kind: 'nothing'; readonly ns: string };

/** The fields of an entry that make an operation; those of an applyOps element have no ts of their own. */
type Source = Pick<OplogEntry, 'op' | 'ns' | 'ui' | 'o' | 'o2'>;

/** A command is named by its first field. */
function firstName(o: Buffer): string | undefined {
  for (const { name } of elements(o)) return name;
  return undefined;
}

/** Names an entry that cannot be carried; never skipped (consistency rule 10). */
export function unsupported(source: Source, ts: Timestamp, why: string): HoldfastError {
  const command = source.op === 'c' && source.o ? firstName(source.o) : undefined;
  const what = command === undefined ? `op ${source.op}` : `op c, command ${command}`;
  return new HoldfastError(
    'UnsupportedOplogEntry',
    `The oplog entry at ${formatTimestamp(ts)} (${what}, ns ${source.ns}) cannot be replayed: ${why}.`,
    { details: { ts: formatTimestamp(ts), op: source.op, ns: source.ns, command: command ?? null } },
  );
}

class Reader {
  readonly source: Source;
  readonly ts: Timestamp;
  readonly o: Buffer;

  constructor(source: Source, ts: Timestamp) {
    this.source = source;
    this.ts = ts;
    if (!source.o) throw unsupported(source, ts, 'it has no o');
    this.o = source.o;
  }

  fail(why: string): HoldfastError {
    return unsupported(this.source, this.ts, why);
  }

  /** Entries older than UUIDs can't be told apart by collection: refused. */
  get uuid(): string {
    if (this.source.ui === undefined) throw this.fail('it has no collection UUID (ui)');
    return this.source.ui;
  }

  element(name: string): RawElement {
    const element = findElement(this.o, name);
    if (!element) throw this.fail(`its o has no ${name}`);
    return element;
  }

  /** The namespace of a command: the database of `ns`, the collection named by the command's first field. */
  target(command: string): string {
    const db = this.source.ns.slice(0, this.source.ns.indexOf('.'));
    return `${db}.${readString(this.o, this.element(command))}`;
  }
}

function dropTargetOf(reader: Reader): string | undefined {
  const element = findElement(reader.o, 'dropTarget');
  if (!element) return undefined;
  if (element.type === bsonType.binary) return readBinary(reader.o, element).toString('hex');
  if (element.type === bsonType.boolean && reader.o[element.value] === 0) return undefined;
  throw reader.fail('its dropTarget is no UUID');
}

/** The spec of a createIndexes entry is the rest of its `o`. */
function specOfCreateIndexes(o: Buffer): Buffer {
  return new RawWriter().elements(o, (name) => name !== 'createIndexes').toBuffer();
}

function readCollMod(reader: Reader): Operation {
  for (const { name } of elements(reader.o))
    if (name !== 'collMod' && name !== 'index' && !collModOptions.has(name))
      throw reader.fail(`the collMod field ${name} is unknown`);
  return { kind: 'collMod', ns: reader.target('collMod'), uuid: reader.uuid, o: reader.o };
}

function readDropIndex(reader: Reader, command: string): Operation {
  const name = readString(reader.o, reader.element('index'));
  return { kind: 'dropIndex', ns: reader.target(command), uuid: reader.uuid, name };
}

function readRename(reader: Reader): Operation {
  const ns = readString(reader.o, reader.element('renameCollection'));
  const to = readString(reader.o, reader.element('to'));
  return { kind: 'rename', ns, uuid: reader.uuid, to, dropTarget: dropTargetOf(reader) };
}

const commands: Readonly<Record<string, (reader: Reader) => Operation>> = {
  create: (r) => ({ kind: 'create', ns: r.target('create'), uuid: r.uuid, o: r.o }),
  drop: (r) => ({ kind: 'drop', ns: r.target('drop'), uuid: r.uuid }),
  dropDatabase: (r) => ({ kind: 'dropDatabase', ns: r.source.ns }),
  renameCollection: readRename,
  createIndexes: (r) => ({
    kind: 'createIndexes',
    ns: r.target('createIndexes'),
    uuid: r.uuid,
    specs: [specOfCreateIndexes(r.o)],
  }),
  startIndexBuild: (r) => ({ kind: 'nothing', ns: r.target('startIndexBuild') }),
  // What a member compares its data with (batch) and where that began and ended: it changes nothing.
  dbCheck: (r) => ({ kind: 'nothing', ns: r.source.ns }),
  abortIndexBuild: (r) => ({ kind: 'nothing', ns: r.target('abortIndexBuild') }),
  commitIndexBuild: (r) => ({
    kind: 'createIndexes',
    ns: r.target('commitIndexBuild'),
    uuid: r.uuid,
    specs: [...arrayDocuments(r.o, r.element('indexes'))],
  }),
  dropIndexes: (r) => readDropIndex(r, 'dropIndexes'),
  deleteIndexes: (r) => readDropIndex(r, 'deleteIndexes'),
  collMod: readCollMod,
  emptycapped: (r) => ({ kind: 'emptyCapped', ns: r.target('emptycapped'), uuid: r.uuid }),
};

function readUpdate(reader: Reader): Operation {
  const { o2, ns } = reader.source;
  if (!o2) throw reader.fail('it has no o2');
  return { kind: 'update', ns, uuid: reader.uuid, o: reader.o, o2 };
}

/** Databases whose content is never carried (consistency rule 19), whatever was done to them. */
function isServerPrivate({ op, ns }: Source): boolean {
  return 'iudc'.includes(op) && (ns.startsWith('config.') || ns.startsWith('local.'));
}

/**
 * What one operation does. `applyOps`, commits and aborts are not for here: see {@link operationsOf}.
 * @throws UnsupportedOplogEntry naming op, ns, ts and command
 */
function readOperation(source: Source, ts: Timestamp): Operation {
  if (source.op === 'n' || isServerPrivate(source)) return { kind: 'nothing', ns: source.ns };
  const reader = new Reader(source, ts);
  switch (source.op) {
    case 'i':
      return { kind: 'insert', ns: source.ns, uuid: reader.uuid, o: reader.o };
    case 'd':
      return { kind: 'delete', ns: source.ns, uuid: reader.uuid, o: reader.o };
    case 'u':
      return readUpdate(reader);
    case 'c': {
      const command = firstName(reader.o) ?? '';
      const read = Object.hasOwn(commands, command) ? commands[command] : undefined;
      if (!read) throw reader.fail('this release does not know the command');
      return read(reader);
    }
    default:
      throw reader.fail('this release does not know the op');
  }
}

/** The fields of one element of an applyOps array. */
function readElement(raw: Buffer): Source {
  const source: { op: string; ns: string; ui: string | undefined; o: Buffer | undefined; o2: Buffer | undefined } = {
    op: '',
    ns: '',
    ui: undefined,
    o: undefined,
    o2: undefined,
  };
  for (const element of elements(raw)) {
    if (element.name === 'op') source.op = readString(raw, element);
    else if (element.name === 'ns') source.ns = readString(raw, element);
    else if (element.name === 'ui') source.ui = readBinary(raw, element).toString('hex');
    else if (element.name === 'o') source.o = subDocument(raw, element);
    else if (element.name === 'o2') source.o2 = subDocument(raw, element);
  }
  return source;
}

/** A document of MongoDB is nested 200 levels at most, and an applyOps in another one takes four of them. */
const maxNestedApplyOps = 50;

/** @param depth of the applyOps that this one is in */
function* readApplyOps(o: Buffer, ts: Timestamp, depth = 0): Generator<Operation> {
  for (const element of elements(o)) {
    if (element.name !== 'applyOps') continue;
    for (const raw of arrayDocuments(o, element)) {
      const source = readElement(raw);
      const isNested = source.op === 'c' && source.o && firstName(source.o) === 'applyOps';
      if (!isNested) yield readOperation(source, ts);
      else if (depth < maxNestedApplyOps) yield* readApplyOps(source.o, ts, depth + 1);
      else throw unsupported(source, ts, `its applyOps are nested more than ${maxNestedApplyOps} deep`);
    }
  }
}

/**
 * The operations of an entry, in order; those of an applyOps are its elements. Whether a transaction's are to be
 * applied at all is another question (transactions.ts): commits and aborts have none.
 * @throws UnsupportedOplogEntry naming op, ns, ts and the command
 */
export function* operationsOf(entry: OplogEntry): Generator<Operation> {
  if (entry.command === 'applyOps' && entry.o) yield* readApplyOps(entry.o, entry.opTime.ts);
  else if (entry.command === 'commitTransaction' || entry.command === 'abortTransaction') return;
  else yield readOperation(entry, entry.opTime.ts);
}
