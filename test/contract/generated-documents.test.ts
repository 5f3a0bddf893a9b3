import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

describe('documents that are generated', () => {
  it.each([
    ['docs/errors.md', 'generate-errors.ts'],
    ['docs/config.schema.json', 'generate-config-schema.ts'],
    ['docs/openapi.json', 'generate-openapi.ts'],
  ])('%s is what its script writes today', (_document, script) => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts', script), '--check'], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});
