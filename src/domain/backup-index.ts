import * as z from 'zod';
import { isDataPath } from './data-files.ts';

/**
 * Decoded, an index of this size describes 16 TB in frames of 4 MiB, each a line of 195 bytes and the name of its
 * collection or 206 and that of its file, as long as names have 75 bytes on the average. More is refused by the dump that
 * would write it, and is a damaged or hostile object to whoever reads it. It is never in memory as a whole.
 */
export const maxIndexBytes = 1024 * 1024 * 1024;

/** The lines of `index.ndjson.zst`: what is in the packs of one part (docs/developer-guide/formats.md). */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const crc32Schema = z.string().regex(/^[0-9a-f]{8}$/);
const base64 = z.base64();
const size = z.int().min(0);

export const codecSchema = z.enum(['zstd', 'gzip', 'none']);
export type Codec = z.infer<typeof codecSchema>;

export const indexHeaderSchema = z.strictObject({
  kind: z.literal('header'),
  schemaVersion: z.literal(1),
  backupId: z.string(),
  part: z.string(),
  codec: codecSchema,
});

/**
 * One collection or view. Options and index specs are raw BSON in base64: JSON would lose the order of keys that look
 * like integers, and an index on {b: 1, 0: 1} would come back as another one.
 */
export const indexNamespaceSchema = z.strictObject({
  kind: z.literal('namespace'),
  /** `db.coll`: neither is empty, and a database's name holds no dot. */
  ns: z.string().regex(/^[^.]+\.[^]+$/),
  type: z.enum(['collection', 'view', 'timeseries']),
  /** 32 hex digits; null for a view and for what has none. */
  uuid: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable(),
  options: base64,
  /** Specs of listIndexes, `_id_` included, without builds that are not finished. */
  indexes: z.array(base64),
  /** {indexBuildUUID, specs} of listIndexes with includeIndexBuildInfo: built only if their commit is in the oplog by the restore time. */
  unfinishedIndexes: z.array(base64),
  /** Documents and raw bytes read, exactly; null for a view. */
  documents: size.nullable(),
  rawBytes: size.nullable(),
});

export const indexPackSchema = z.strictObject({
  kind: z.literal('pack'),
  pack: z.string(),
  size,
  crc32: crc32Schema,
});

export const indexFrameSchema = z.strictObject({
  kind: z.literal('frame'),
  ns: z.string(),
  pack: z.string(),
  offset: size,
  length: size,
  rawLength: size,
  documents: size,
  /** Of the stored (compressed) bytes. */
  sha256,
});

export const indexLineSchema = z.discriminatedUnion('kind', [
  indexHeaderSchema,
  indexNamespaceSchema,
  indexPackSchema,
  indexFrameSchema,
]);
export type IndexLine = z.infer<typeof indexLineSchema>;
export type IndexNamespace = z.infer<typeof indexNamespaceSchema>;
export type IndexPack = z.infer<typeof indexPackSchema>;
export type IndexFrame = z.infer<typeof indexFrameSchema>;

const dataPath = z.string().refine(isDataPath, { error: 'a path that stays inside the data directory' });
/** The permission bits of a file or a directory. */
const mode = z.int().min(0).max(0o7777);

export const indexDirectorySchema = z.strictObject({ kind: z.literal('directory'), path: dataPath, mode });

/** A file of the data directory, followed by its pieces. */
export const indexFileSchema = z.strictObject({ kind: z.literal('file'), file: dataPath, size, mode });

/** One frame of a pack: the bytes of a file from `fileOffset` on. The pieces of a file lie behind each other, without a gap. */
export const indexPieceSchema = indexFrameSchema
  .pick({ pack: true, offset: true, length: true, rawLength: true, sha256: true })
  .extend({ kind: z.literal('piece'), file: dataPath, fileOffset: size });

/** The lines of a physical base's index: header, packs, directories, then each file followed by its pieces. */
export const fileIndexLineSchema = z.discriminatedUnion('kind', [
  indexHeaderSchema,
  indexPackSchema,
  indexDirectorySchema,
  indexFileSchema,
  indexPieceSchema,
]);
export type FileIndexLine = z.infer<typeof fileIndexLineSchema>;
export type IndexDirectory = z.infer<typeof indexDirectorySchema>;
export type IndexFile = z.infer<typeof indexFileSchema>;
export type IndexPiece = z.infer<typeof indexPieceSchema>;

/** What a storage must hold for an object: compared at completion and before a restore. */
export const storedObjectSchema = z.strictObject({ key: z.string(), size, crc32: crc32Schema });
export type StoredObject = z.infer<typeof storedObjectSchema>;
