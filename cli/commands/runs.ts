import type { Command } from 'commander';
import { printable } from '../output/printable.ts';
import { renderRun, renderRunList } from '../output/run-tables.ts';
import type { RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { ProgramOptions } from '../command-runner.ts';

/** `status` and `cancel`: the commands about runs. */
export function registerRuns(program: Command, { run }: ProgramOptions): void {
  program
    .command('status')
    .description('show the newest runs, or one with its progress')
    .argument('[run]', 'id of a run')
    .action(async (runId: string | undefined, _flags: object, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const runs = await client.status(runId);
        const { timeZone } = session.environment;
        session.print({ runs }, () =>
          runId === undefined
            ? renderRunList(runs, timeZone)
            : runs.map((each) => renderRun(each, timeZone)).join('\n\n'),
        );
      });
    });
  program
    .command('cancel')
    .description('ask a run to stop and to clean up')
    .argument('<run>', 'id of a run')
    .action(async (runId: string, _flags: object, command: Command) => {
      await run(command, async (session) => {
        const client = await session.client();
        const [before] = await client.status(runId);
        if (before !== undefined && before.status !== 'running') {
          session.print({ runId, cancelRequested: false, status: before.status }, () => nothingToCancel(before));
          return;
        }
        await client.cancel(runId);
        session.print({ runId, cancelRequested: true }, () =>
          [`The run is asked to stop; it cleans up first. Watch it with`, `  holdfast status ${printable(runId)}`].join(
            '\n',
          ),
        );
      });
    });
}

const endings: Readonly<Record<Exclude<RunStatus['status'], 'running'>, string>> = {
  succeeded: 'has succeeded',
  failed: 'has failed',
  cancelled: 'was cancelled before',
  duplicate: 'has ended: an earlier run answers its request',
  interrupted: 'was interrupted',
};

function nothingToCancel({ runId, status }: RunStatus): string {
  const ending = status === 'running' ? 'runs' : endings[status];
  return `There is nothing to cancel: run ${printable(runId)} ${ending}.`;
}
