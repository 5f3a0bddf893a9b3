import type { Command } from 'commander';
import { parseSince } from '../command-arguments.ts';
import { renderBackupList } from '../output/backup-tables.ts';
import type { ProgramOptions } from '../command-runner.ts';

interface ListFlags {
  readonly storage?: string;
  readonly since?: Date;
}

export function registerList(program: Command, { run, now }: ProgramOptions): void {
  program
    .command('list')
    .description('list the backups in the storages, newest first')
    .argument('[deployment]', 'only those of this deployment')
    .option('--storage <name>', 'only those in this storage')
    .option('--since <time>', 'only those taken since: 2026-11-22T10:15:30Z, 24h, 7d', (text: string) =>
      parseSince(text, now()),
    )
    .action(async (deployment: string | undefined, flags: ListFlags, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const backups = await client.listBackups({
          ...(deployment === undefined ? {} : { deployment }),
          ...(flags.storage === undefined ? {} : { storage: flags.storage }),
          ...(flags.since === undefined ? {} : { since: flags.since }),
        });
        session.print({ backups }, () => renderBackupList(backups, session.environment.timeZone));
      });
    });
}
