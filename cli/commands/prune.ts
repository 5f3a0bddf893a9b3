import type { Command } from 'commander';
import type { ProgramOptions } from '../command-runner.ts';
import { renderPruned } from '../output/window-tables.ts';

export function registerPrune(program: Command, { run }: ProgramOptions): void {
  program
    .command('prune')
    .description('delete slices of oplog archives that no restore to a promised time needs')
    .argument('[deployment]', 'only of this deployment')
    .option('--dry-run', 'only say what would go')
    .action(
      async (deployment: string | undefined, { dryRun = false }: { readonly dryRun?: boolean }, command: Command) => {
        await run(command, async (session) => {
          const client = await session.client();
          const pruned = await client.prune({ dryRun, ...(deployment === undefined ? {} : { deployment }) });
          session.print({ dryRun, pruned }, () => renderPruned(pruned, dryRun, session.environment.timeZone));
        });
      },
    );
}
