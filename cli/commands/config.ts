import type { Command } from 'commander';
import { loadConfig } from '../../src/config/load-config.ts';
import { renderSettings } from '../output/config-tables.ts';
import type { ProgramOptions } from '../command-runner.ts';

export function registerConfig(program: Command, { run }: ProgramOptions): void {
  const config = program.command('config').description('about the config file');
  config
    .command('check')
    .description('check the config file: all problems at once')
    .option('--connect', 'connect to every deployment too: privileges, members, storages')
    .action(async (_flags: { readonly connect?: boolean }, command: Command) => {
      await run(command, async (session) => {
        const settings = await loadConfig(session.configPath);
        session.print({ config: session.configPath, settings }, () => renderSettings(session.configPath, settings));
      });
    });
}
