// Writes docs/config.schema.json, which editors check a config file with; with --check it only tells whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { configFileSchema } from '../src/config/config-schema.ts';

const file = join(import.meta.dirname, '..', 'docs', 'config.schema.json');
const text = `${JSON.stringify(z.toJSONSchema(configFileSchema, { io: 'input' }), null, 2)}\n`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/config.schema.json is out of date: run `npm run config:schema` and commit it.');
  process.exit(1);
}
