// Writes docs/errors.md from the error registry; with --check it only tells whether the file is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorRegistry, exitCodes } from '../src/domain/error-registry.ts';

const file = join(import.meta.dirname, '..', 'docs', 'errors.md');

const rows = Object.entries(errorRegistry).map(
  ([name, entry]) =>
    `| <a id="${entry.code.toLowerCase()}"></a>${entry.code} | \`${name}\` | ${entry.title} | ${entry.next} | ${entry.retryable ? 'yes' : 'no'} | ${exitCodes[entry.kind]} |`,
);
const codes = Object.entries(exitCodes).map(([kind, code]) => `| ${code} | ${kind} |`);

const text = `# Errors

Generated from \`src/domain/error-registry.ts\` by \`npm run errors:generate\`; do not edit. The name is what state machines match,
the code is what to search for. "Retried" says whether a workflow runs the failed state again by itself.

| code | name | what it means | what to do | retried | exit code |
|---|---|---|---|---|---|
${rows.join('\n')}

## Exit codes

| code | kind of error |
|---|---|
| 0 | success |
${codes.join('\n')}
`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/errors.md is out of date: run `npm run errors:generate` and commit it.');
  process.exit(1);
}
