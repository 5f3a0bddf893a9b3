import { readFileSync } from 'node:fs';
import { openEmbedded } from '../../local/embedded.ts';
import { restoreRequestSchema } from '../../src/domain/run.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { noLogger } from './no-logger.ts';

/** A process that runs one restore: what a test kills to see what the next one makes of it. */
const [file = '', request = ''] = process.argv.slice(2);
const settings = settingsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
const client = await openEmbedded({ settings, logger: noLogger });
const { runId } = await client.startRestore(restoreRequestSchema.parse(JSON.parse(request)));
process.stdout.write(`${runId}\n`);
await client.waitForRun(runId);
await client.close();
