import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What this release's writers made: every parser is started from it, and mutations of it are what fuzzing reads. */
export const corpusFiles = [
  'document-every-type.bson',
  'frame.gzip',
  'frame.none',
  'frame.zstd',
  'holdfast.config.yaml',
  'index.ndjson.zst',
  'manifest.json',
  'oplog-entries.bson',
  'part.pack',
  'slice.bson.zst',
] as const;

export function readCorpus(file: (typeof corpusFiles)[number]): Buffer {
  return readFileSync(join(import.meta.dirname, '..', '..', 'fuzz-corpus', file));
}
