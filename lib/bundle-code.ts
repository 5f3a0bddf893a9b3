import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Packages in the bundle that are CommonJS ask for Node's own modules by `require`. */
const requireBanner =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/**
 * Bundles entrypoints, each into a file `index.mjs` of a folder of its own, in one run of esbuild: everything a function or
 * the worker needs is in that file, the SDK included, so that what was tested is what runs.
 * @param entries names of folders, and the source file of each, relative to the repository
 * @returns the folder of each name
 * @throws esbuild's own error, with file and line
 */
export function bundleCode<Name extends string>(
  entries: Readonly<Record<Name, string>>,
  outputFolder: string,
): Readonly<Record<Name, string>> {
  mkdirSync(outputFolder, { recursive: true });
  const names = Object.keys(entries) as Name[];
  buildSync({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: entries[name], out: join(name, 'index') })),
    outdir: outputFolder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    mainFields: ['module', 'main'],
    banner: { js: requireBanner },
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  return Object.fromEntries(names.map((name) => [name, join(outputFolder, name)])) as Record<Name, string>;
}
