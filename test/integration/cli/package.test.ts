import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..', '..', '..');
let folder: string;

function run(command: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ORDERS_MONGODB: undefined },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** Installs as npm does, but for the dependencies: those of the checkout, so that no registry is asked. */
function install(tarball: string): string {
  const modules = join(folder, 'node_modules');
  const installed = join(modules, packageJson.name);
  mkdirSync(installed, { recursive: true });
  expect(run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed], folder)).toMatchObject({ status: 0 });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    // Not the pinned Node: an installed package runs on the caller's.
    if (!name.startsWith('.') && name !== 'node') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  return join(installed, packageJson.bin.holdfast);
}

describe('the packed command line', () => {
  let program: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
    const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
    expect(packed).toMatchObject({ status: 0 });
    program = install(join(folder, `holdfast-${packageJson.version}.tgz`));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('says its version', () => {
    const result = run(process.execPath, [program, '--version'], folder);
    expect(result).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it('runs its state machines', () => {
    const example = join(folder, 'node_modules', packageJson.name, 'examples', 'holdfast.config.yaml');
    const argv = ['backup', 'orders', '--output', 'json', '--config', example];
    const result = run(process.execPath, [program, ...argv], folder);
    // The credentials that the example names aren't set here: the run's first state says so.
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { name: 'CredentialsUnavailable' } });
    expect(result.status).toBe(2);
  });

  it('can start its worker', () => {
    const worker = join(folder, 'node_modules', packageJson.name, 'dist', 'worker', 'main.js');
    expect(run(process.execPath, [worker], folder).stderr).toContain('started by the product');
  });

  it('holds no sources and no tests', () => {
    const files = readdirSync(join(folder, 'node_modules', packageJson.name), { recursive: true }).map(String);
    expect(files.filter((file) => /\.ts$|^test/.test(file))).toEqual([]);
  });
});
