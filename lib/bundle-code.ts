import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./run-esbuild.ts', import.meta.url));

/** What {@link script} is called with. */
export interface BundleTask {
  readonly entryPoints: readonly { readonly in: string; readonly out: string }[];
  readonly outdir: string;
}

/**
 * Bundles entrypoints, each into a file `index.mjs` of a folder of its own, in one run of esbuild: everything a function or
 * the worker needs is in that file, the SDK included, so that what was tested is what runs. In a process of its own:
 * constructs are made synchronously, and esbuild takes plugins only where it is waited for.
 * @param entries names of folders, and the source file of each, relative to the repository
 * @returns the folder of each name
 * @throws when esbuild fails; its own words, with file and line, are on stderr
 */
export function bundleCode<Name extends string>(
  entries: Readonly<Record<Name, string>>,
  outputFolder: string,
): Readonly<Record<Name, string>> {
  mkdirSync(outputFolder, { recursive: true });
  const names = Object.keys(entries) as Name[];
  const entryPoints = names.map((name) => ({ in: entries[name], out: join(name, 'index') }));
  const task: BundleTask = { entryPoints, outdir: outputFolder };
  execFileSync(process.execPath, [script, JSON.stringify(task)], { stdio: ['ignore', 'inherit', 'inherit'] });
  return Object.fromEntries(names.map((name) => [name, join(outputFolder, name)])) as Record<Name, string>;
}
