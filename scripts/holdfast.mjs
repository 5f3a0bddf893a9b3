#!/usr/bin/env node
// Starts the CLI from a checkout on the Node version that the project pins, whatever Node the caller has.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
const child = spawn(
  existsSync(pinned) ? pinned : process.execPath,
  [join(root, 'cli', 'main.ts'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
// The child decides what a signal means (it cancels its run first); this process only waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
