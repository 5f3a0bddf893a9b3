import type { Command } from 'commander';
import { parseAt } from '../command-arguments.ts';
import type { ProgramOptions } from '../command-runner.ts';
import { renderWindow } from '../output/window-tables.ts';

export function registerWindow(program: Command, { run }: ProgramOptions): void {
  program
    .command('window')
    .description('show to which times a deployment can be restored, what is missing and why')
    .argument('<deployment>', 'name of a deployment')
    .option('--at <time>', 'also show which backup and which slices serve a time: as `restore --at` takes it', parseAt)
    .action(async (deployment: string, { at }: { readonly at?: string }, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const window = await client.recoveryWindow({ deployment, ...(at === undefined ? {} : { at }) });
        session.print({ window }, () => renderWindow(window, session.environment.timeZone));
      });
    });
}
