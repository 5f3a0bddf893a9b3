import { type Command, Option } from 'commander';
import { codecSchema } from '../../src/domain/backup-index.ts';
import { methodSchema } from '../../src/domain/manifest.ts';
import type { BackupRequest } from '../../src/domain/run.ts';
import { collectLabel, parseLevel } from '../command-arguments.ts';
import { followRun } from '../follow-run.ts';
import { backupOfRun, renderBackupResult } from '../output/run-results.ts';
import type { ProgramOptions } from '../command-runner.ts';
import { type CommandSession, requesterOf } from '../session.ts';

interface BackupFlags {
  readonly method?: BackupRequest['method'];
  readonly storage?: string;
  readonly label?: Record<string, string>;
  readonly codec?: NonNullable<BackupRequest['compression']>['codec'];
  readonly level?: number;
}

export function registerBackup(program: Command, { run }: ProgramOptions): void {
  program
    .command('backup')
    .description('back up a deployment; Ctrl-C cancels the run and cleans up')
    .argument('[deployment]', 'may be left out where the config has one')
    .addOption(new Option('--method <method>', 'else chosen by rule').choices(methodSchema.options))
    .option('--storage <name>', "else the deployment's own")
    .addOption(new Option('--codec <codec>', "else the deployment's own").choices(codecSchema.options))
    .option('--level <n>', 'zstd: 1 to 19, gzip: 1 to 9, none: without', parseLevel)
    .option('--label <key=value>', 'written on the backup; repeatable', collectLabel)
    .option('--wait', 'until the run has ended; embedded mode always waits, because the run lives in this process')
    .action(async (deployment: string | undefined, flags: BackupFlags, command: Command) => {
      await run(command, (session) => backup(session, deployment, flags));
    });
}

function compressionOf({ codec, level }: BackupFlags): NonNullable<BackupRequest['compression']> {
  return { ...(codec === undefined ? {} : { codec }), ...(level === undefined ? {} : { level }) };
}

async function backup(session: CommandSession, deployment: string | undefined, flags: BackupFlags): Promise<void> {
  const client = await session.client();
  const { runId } = await client.startBackup({
    ...(deployment === undefined ? {} : { deployment }),
    ...(flags.method === undefined ? {} : { method: flags.method }),
    ...(flags.storage === undefined ? {} : { storage: flags.storage }),
    ...(flags.label === undefined ? {} : { labels: flags.label }),
    ...(flags.codec === undefined && flags.level === undefined ? {} : { compression: compressionOf(flags) }),
    requestedBy: requesterOf(session),
  });
  const status = await followRun(session, client, runId);
  const manifest = await backupOfRun(client, status);
  session.print({ run: status, backup: manifest ?? null }, () =>
    renderBackupResult(status, manifest, session.environment.timeZone),
  );
}
