// Compiles the command line to dist/ for `npm pack`: Node doesn't strip types from what is installed (ADR 0003).
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const compiler = join(root, 'node_modules', 'typescript7', 'bin', 'tsc');

rmSync(dist, { recursive: true, force: true });
const compiled = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
// Read at run time, by their place beside the compiled manifest.
const machines = readdirSync(join(root, 'statemachines')).filter((name) => name.endsWith('.asl.json'));
for (const name of machines) cpSync(join(root, 'statemachines', name), join(dist, 'statemachines', name));
