import type { Command } from 'commander';
import type { ConfigReport } from '../../src/application/use-cases/check-config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { errorRegistry, exitCodes } from '../../src/domain/error-registry.ts';
import { isErrorName } from '../../src/domain/errors.ts';
import type { ProgramOptions } from '../command-runner.ts';
import { renderReport, renderSettings } from '../output/config-tables.ts';
import { renderSchedules } from '../output/schedule-tables.ts';
import type { CommandSession } from '../session.ts';

export function registerConfig(program: Command, { run }: ProgramOptions): void {
  const config = program.command('config').description('about the config file');
  config
    .command('check')
    .description('check the config file: all problems at once')
    .option('--connect', 'try the storages and connect to every deployment: privileges, members')
    .action(async (flags: { readonly connect?: boolean }, command: Command) => {
      await run(command, (session) => check(session, flags.connect === true));
    });
}

async function check(session: CommandSession, connect: boolean): Promise<void> {
  const { configPath, environment } = session;
  const settings = await loadConfig(configPath);
  const report = connect ? await environment.checkConfig(settings) : undefined;
  session.print({ config: configPath, settings, ...(report && { report }) }, () =>
    [
      renderSettings(configPath, settings),
      renderSchedules(settings, new Date()) ?? [],
      report ? renderReport(report) : [],
    ]
      .flat()
      .join('\n\n'),
  );
  if (report && !report.ok) session.endWith(exitCodeOf(report));
}

/** That of the first problem, as if it had ended a run. */
function exitCodeOf({ storages, deployments }: ConfigReport): number {
  const names = [
    ...storages.flatMap(({ problem }) => problem ?? []),
    ...deployments.flatMap(({ problems }) => problems),
  ];
  const name = names[0]?.name ?? 'Internal';
  return exitCodes[errorRegistry[isErrorName(name) ? name : 'Internal'].kind];
}
