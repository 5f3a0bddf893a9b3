// Installs what the project pins, once: a fresh clone needs Node >= 20, npm and pip before it, nothing else.
// Plain JavaScript on Node's own modules: it runs before anything is installed, on whatever Node is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const stampFile = join(root, 'node_modules', '.holdfast-setup');
const node = join(root, 'node_modules', 'node', 'bin', 'node');

const stamp = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform} ${process.arch}`)
  .digest('hex');

function run(command, args, failure) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.status === 0) return;
  console.error(`setup: ${failure}`);
  process.exit(1);
}

const installed = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && existsSync(node);
if (!installed) {
  console.log('setup: installing the pinned packages (about a minute)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--loglevel=error'];
  if (npm)
    run(process.env.npm_node_execpath ?? process.execPath, [npm, ...args], 'npm ci failed; its message is above');
  else run('npm', args, 'npm ci failed; its message is above');
  if (!existsSync(node)) {
    console.error(
      `setup: ${node} is missing after npm ci. The package "node" brings Node 24; was its install script refused (ignore-scripts)?`,
    );
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}

// The server that demo and tests run on: found, or fetched and checked, by the product's own finder.
run(
  node,
  [join(root, 'local', 'servers', 'install-mongod.ts')],
  'no mongod could be had; the sources tried are listed above',
);

// The S3 server and the linters of the tests; the demo installs the server itself when it is asked for S3.
if (process.argv.includes('--test-servers')) {
  run(node, [join(root, 'local', 'servers', 'install-moto.ts')], 'no S3 server could be had; the reason is above');
  const linters = join(root, 'test', 'support', 'linters', 'install-linters.ts');
  run(node, [linters], 'the linters of the tests could not be had; the reason is above');
}
