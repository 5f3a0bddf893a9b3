#!/usr/bin/env node
// Starts the CLI: in a checkout from its sources on the Node version that the project pins, whatever Node the caller has;
// in an installed package what was compiled.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
const node = existsSync(pinned) ? pinned : process.execPath;

if (node !== pinned && Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `holdfast needs Node 24; this is ${process.versions.node}. In a checkout, \`npm run setup\` installs it.`,
  );
  process.exit(2);
}

const source = join(root, 'cli', 'main.ts');
const main = existsSync(source) ? source : join(root, 'dist', 'cli', 'main.js');
const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
// The child decides what a signal means (it cancels its run first); this process only waits for it. A terminal sends
// Ctrl-C to both processes, so the child gets it twice: it knows (cli/follow-run.ts).
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`holdfast could not be started: ${error.message}`);
  process.exit(70);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 15)));
