import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { hadolint } from '../support/linters/linters.ts';

const dockerfile = fileURLToPath(new URL('../../worker/Dockerfile', import.meta.url));

it('hadolint finds nothing in the worker’s Dockerfile', async () => {
  expect(await hadolint(dockerfile)).toEqual([]);
});
