import { type Command, Option } from 'commander';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { RestoreRequest } from '../../src/domain/run.ts';
import {
  collectDatabase,
  collectNamespace,
  collectRename,
  parseAt,
  parseCredentials,
  parseNamespace,
  parseOverwrite,
  parseParallel,
  parseTarget,
} from '../command-arguments.ts';
import { followRun } from '../follow-run.ts';
import { printable } from '../output/printable.ts';
import { renderRestoreResult } from '../output/run-results.ts';
import type { ProgramOptions } from '../command-runner.ts';
import { type CommandSession, requesterOf } from '../session.ts';

type RestoreFlags = Pick<
  RestoreRequest,
  'to' | 'at' | 'beforeDrop' | 'credentials' | 'overwrite' | 'keepExpired' | 'parallel' | 'dryRun'
> & {
  readonly users?: boolean;
  readonly usersOf?: string[];
  readonly ns?: string[];
  readonly rename?: NonNullable<RestoreRequest['renames']>;
};

export function registerRestore(program: Command, { run }: ProgramOptions): void {
  program
    .command('restore')
    .description('restore a backup to a running server or a directory; Ctrl-C cancels the run')
    .argument('<backup|deployment>', 'id of a backup, or a deployment: its newest backup, or the base that serves --at')
    .requiredOption('--to <target>', 'a server, without user and password, or a directory as ./data', parseTarget)
    .option(
      '--at <time>',
      '2026-11-22T10:15:30Z (all of that second, and nothing later), 1763806530:4 (up to that entry, included), or latest',
      parseAt,
    )
    .option(
      '--before-drop <ns>',
      'right before that collection was dropped; with --at: the last time up to then',
      parseNamespace,
    )
    .option(
      '--ns <pattern>',
      'only db.coll, or db.* for a whole database, as named at that time; repeatable',
      collectNamespace,
    )
    .option('--rename <from=to>', 'under another name: a.x=b.y, or a.*=b.*; repeatable', collectRename)
    .option('--credentials <source>', "the target's credentials: env:NAME or file:PATH", parseCredentials)
    .option(
      '--overwrite <name>',
      "replace what the target holds: its replica set's name, host:port of a standalone, or the directory",
      parseOverwrite,
    )
    .addOption(new Option('--users', 'users and roles too, everyone').conflicts('usersOf'))
    .option('--users-of <database>', 'only users and roles of this database; repeatable', collectDatabase)
    .option('--keep-expired', 'leave TTL indexes switched off, so that nothing expires')
    .option('--parallel <n>', 'collections at once', parseParallel)
    .option('--dry-run', 'check everything and say what would be restored; nothing is')
    .action(async (backup: string, flags: RestoreFlags, command: Command) => {
      await run(command, (session) => restore(session, backup, flags));
    });
}

async function restore(session: CommandSession, backup: string, flags: RestoreFlags): Promise<void> {
  const {
    to,
    at,
    beforeDrop,
    ns,
    rename,
    credentials,
    overwrite,
    usersOf,
    users = usersOf,
    keepExpired,
    parallel,
    dryRun,
  } = flags;
  if (overwrite !== undefined && dryRun !== true) await confirmOverwrite(session, overwrite);
  const client = await session.client();
  const { runId } = await client.startRestore({
    backup,
    to,
    ...(at === undefined ? {} : { at }),
    ...(beforeDrop === undefined ? {} : { beforeDrop }),
    ...(ns === undefined ? {} : { namespaces: ns }),
    ...(rename === undefined ? {} : { renames: rename }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(users === undefined ? {} : { users }),
    ...(keepExpired === undefined ? {} : { keepExpired }),
    ...(parallel === undefined ? {} : { parallel }),
    ...(dryRun === undefined ? {} : { dryRun }),
    requestedBy: requesterOf(session),
  });
  const status = await followRun(session, client, runId);
  session.print({ run: status }, () => renderRestoreResult(status, session.environment.timeZone));
}

/** What is deleted can't be had back, so the name is typed twice: on the command line and, by a person, when asked. */
async function confirmOverwrite(session: CommandSession, name: string): Promise<void> {
  if (session.options.yes === true) return;
  const { environment } = session;
  if (!environment.interactive) {
    throw new HoldfastError(
      'InvalidInput',
      '--overwrite deletes what the target holds, and nobody is there to confirm',
      {
        details: { where: '--overwrite', given: name },
        next: 'Add --yes if that is meant.',
      },
    );
  }
  const typed = await environment.ask(
    `This deletes what "${printable(name)}" holds. Type the target's name to go on: `,
  );
  if (typed.trim() === name) return;
  throw new HoldfastError('InvalidInput', "what was typed is not the target's name; nothing was changed", {
    details: { where: '--overwrite', given: typed.trim() },
    next: `Start again and type ${JSON.stringify(name)}.`,
  });
}
