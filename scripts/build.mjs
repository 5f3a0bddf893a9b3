// Compiles the command line to dist/ for `npm pack`: Node doesn't strip types from what is installed (ADR 0003).
// Types are checked by `npm run typecheck`; this only removes them.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

// The worker is started by its file's name, which the compiler doesn't see as an import.
const starter = join(dist, 'local', 'embedded.js');
const code = readFileSync(starter, 'utf8');
if (!code.includes("'../worker/main.ts'")) {
  console.error(`${starter} no longer names '../worker/main.ts': adapt scripts/build.mjs.`);
  process.exit(1);
}
writeFileSync(starter, code.replace("'../worker/main.ts'", "'../worker/main.js'"));
