// Writes what is committed of a synthesised stage: permissions, network, the template. test/infra compares the same.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { synthesise } from '../test/support/aws/synthesise.ts';
import { stageDocuments } from './stage-documents/stage-documents.ts';

const outdir = mkdtempSync(join(tmpdir(), 'holdfast-documents-'));
try {
  for (const [path, text] of Object.entries(stageDocuments(synthesise(outdir)))) {
    writeFileSync(join(import.meta.dirname, '..', path), text);
  }
} finally {
  rmSync(outdir, { recursive: true });
}
