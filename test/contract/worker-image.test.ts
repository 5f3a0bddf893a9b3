import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryFlags } from '../../src/adapters/process/worker-process.ts';

test('a worker in its container uses its memory as one on this machine does', async () => {
  const dockerfile = await readFile(join(import.meta.dirname, '../../worker/Dockerfile'), 'utf8');
  const [, entryPoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(entryPoint)).toEqual(['/usr/local/bin/node', ...memoryFlags, '/opt/holdfast/index.mjs']);
});
