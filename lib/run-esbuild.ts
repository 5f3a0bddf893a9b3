/** The process behind `bundleCode`: esbuild, with what it takes only where it is waited for. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { BundleTask } from './bundle-code.ts';
import { withLiteralKeys } from './literal-keys.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Packages in the bundle that are CommonJS ask for Node's own modules by `require`. */
const requireBanner =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/** EC2 has 700 calls, and a function makes ten of them. */
const onlyUsedSchemas: Plugin = {
  name: 'only-used-schemas',
  setup(running) {
    running.onLoad({ filter: /[\\/]client-ec2[\\/]dist-es[\\/]schemas[\\/][^\\/]+\.js$/ }, ({ path }) => ({
      contents: withLiteralKeys(readFileSync(path, 'utf8')),
      loader: 'js',
    }));
  },
};

const { entryPoints, outdir } = JSON.parse(process.argv[2] ?? '') as BundleTask;
await build({
  absWorkingDir: root,
  entryPoints: [...entryPoints],
  outdir,
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
  plugins: [onlyUsedSchemas],
});
