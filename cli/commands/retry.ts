import type { Command } from 'commander';
import type { ProgramOptions } from '../command-runner.ts';
import { followRun } from '../follow-run.ts';
import { backupOfRun, renderBackupResult, renderRestoreResult } from '../output/run-results.ts';
import { requesterOf } from '../session.ts';

export function registerRetry(program: Command, { run }: ProgramOptions): void {
  program
    .command('retry')
    .description('ask again for what a run that failed or was cancelled was asked for; the new run begins at nothing')
    .argument('<run>', 'id of a run')
    .action(async (failed: string, _flags: object, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const { runId, workflow } = await client.retry(failed, requesterOf(session));
        const status = await followRun(session, client, runId);
        const manifest = workflow === 'backup' ? await backupOfRun(client, status) : undefined;
        const { timeZone } = session.environment;
        session.print({ run: status, ...(workflow === 'backup' && { backup: manifest ?? null }) }, () =>
          workflow === 'backup'
            ? renderBackupResult(status, manifest, timeZone)
            : renderRestoreResult(status, timeZone),
        );
      });
    });
}
