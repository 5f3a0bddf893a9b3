import type { Command } from 'commander';
import type { BackupSummary } from '../../src/application/ports/holdfast-client.ts';
import { costPolicyOf, type MeasuredBackups } from '../../src/config/cost-policy.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { forecastCost } from '../../src/domain/cost-forecast.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { parseKeepDays, parseSize } from '../command-arguments.ts';
import type { ProgramOptions } from '../command-runner.ts';
import { renderCost } from '../output/cost-tables.ts';
import type { CommandSession } from '../session.ts';

interface ForecastFlags {
  readonly cost?: boolean;
  readonly size?: number;
  readonly keepDays?: number;
  readonly oplogPerDay?: number;
}

/** Newer ones say more of the next. */
const measuredBackups = 10;

export function registerForecast(program: Command, { run, now }: ProgramOptions): void {
  program
    .command('forecast')
    .description('what a deployment’s policy costs on AWS by the month')
    .argument('<deployment>', 'name in the config')
    .option('--cost', 'the cost, by item; the only forecast of this release')
    .option(
      '--size <bytes>',
      'data of the deployment, such as 100GiB; measured by its backups when left out',
      parseSize,
    )
    .option('--oplog-per-day <bytes>', 'oplog that it writes in a day, such as 5GiB; none when left out', parseSize)
    .option('--keep-days <days>', 'days for which backups are kept; for ever when left out', parseKeepDays)
    .action(async (deployment: string, flags: ForecastFlags, command: Command) => {
      await run(command, async (session) => {
        if (flags.cost !== true)
          throw new HoldfastError('InvalidInput', 'a forecast of what?', { next: 'Add --cost.' });
        const settings = await loadConfig(session.configPath);
        const { policy, assumptions } = costPolicyOf(settings, {
          deployment,
          measured: flags.size === undefined ? await measure(session, deployment) : undefined,
          ...{ rawBytes: flags.size, keepDays: flags.keepDays, now: now() },
          oplogBytesPerDay: flags.oplogPerDay,
        });
        const forecast = forecastCost(policy);
        session.print({ deployment, ...forecast, policy, assumptions }, () =>
          renderCost(forecast, policy, assumptions),
        );
      });
    });
}

async function measure(session: CommandSession, deployment: string): Promise<MeasuredBackups | undefined> {
  const backups = await (await session.client()).listBackups({ deployment });
  const newest = backups.slice(0, measuredBackups);
  if (newest.length === 0) return undefined;
  const mean = (of: (backup: BackupSummary) => number): number =>
    newest.reduce((sum, backup) => sum + of(backup), 0) / newest.length;
  return {
    count: newest.length,
    rawBytes: mean(({ rawBytes }) => rawBytes),
    storedBytes: mean(({ storedBytes }) => storedBytes),
    seconds: mean(({ createdAt, finishedAt }) => (Date.parse(finishedAt) - Date.parse(createdAt)) / 1000),
  };
}
