import { openEmbedded } from '../../local/embedded.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { noLogger } from './no-logger.ts';

/** An archiver in a process of its own, turn after turn until it is killed: `<settings as JSON>`. Prints a line a turn. */
const client = await openEmbedded({
  settings: settingsSchema.parse(JSON.parse(process.argv[2] ?? '')),
  logger: noLogger,
});
for (;;) {
  const sets = (await client.archiveOplog?.('orders')) ?? [];
  process.stdout.write(`${JSON.stringify(sets.map(({ turn }) => turn.status))}\n`);
}
