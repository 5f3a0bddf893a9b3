import type { Command } from 'commander';
import { renderBackup, renderCollections } from '../output/backup-tables.ts';
import type { ProgramOptions } from '../command-runner.ts';

export function registerDescribe(program: Command, { run }: ProgramOptions): void {
  program
    .command('describe')
    .description('show what a backup holds, how it was taken and why so')
    .argument('<backup>', 'id of a backup, as `holdfast list` shows it')
    .option('--collections', 'every collection with its counts, sizes and indexes')
    .action(async (backupId: string, flags: { readonly collections?: boolean }, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const manifest = await client.describeBackup(backupId);
        session.print({ backup: manifest }, () =>
          [
            renderBackup(manifest, session.environment.timeZone),
            ...(flags.collections === true ? [renderCollections(manifest)] : []),
          ].join('\n\n'),
        );
      });
    });
}
