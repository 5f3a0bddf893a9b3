import { Command, Option } from 'commander';
import { exitCodes } from '../src/domain/error-registry.ts';
import packageJson from '../package.json' with { type: 'json' };
import { registerArchive } from './commands/archive.ts';
import { registerBackup } from './commands/backup.ts';
import { registerConfig } from './commands/config.ts';
import { registerDescribe } from './commands/describe.ts';
import { registerForecast } from './commands/forecast.ts';
import { registerList } from './commands/list.ts';
import { registerPrune } from './commands/prune.ts';
import { registerRestore } from './commands/restore.ts';
import { registerRetry } from './commands/retry.ts';
import { registerRoles } from './commands/roles.ts';
import { registerRuns } from './commands/runs.ts';
import { registerWindow } from './commands/window.ts';
import { exitCodeLeftAtOnce } from './output/exit-codes.ts';
import type { ProgramOptions } from './command-runner.ts';
import type { GlobalOptions } from './session.ts';

const exitCodeHelp = [
  'Exit codes: 0 success',
  ...Object.entries(exitCodes).map(([kind, code]) => `${code} ${kind}`),
  `${exitCodeLeftAtOnce} left at once by a second Ctrl-C`,
].join(', ');

/**
 * The grammar of `holdfast`. It parses and validates; what a command does happens in `run`, so that tests parse every
 * documented command without doing it. Never exits: wrong input is thrown as CommanderError or HoldfastError.
 */
export function buildProgram(options: ProgramOptions): Command {
  const program = new Command('holdfast')
    .description(packageJson.description)
    .version(packageJson.version)
    .option('--config <path>', 'config file (default: HOLDFAST_CONFIG, else holdfast.config.yaml)')
    .addOption(
      new Option('--output <form>', 'json: exactly one document on stdout').choices(['table', 'json']).default('table'),
    )
    .option('--quiet', 'no progress and no notes')
    .option('--yes', 'ask nothing: the command line says all')
    .addHelpText('after', `\n${exitCodeHelp}. Every error: docs/errors.md. HOLDFAST_DEBUG=1 adds stack traces.`)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: options.writeOut, writeErr: () => undefined, outputError: () => undefined })
    .exitOverride();
  // Commands take over output and exit settings of the program as they are when each is made: so this comes last.
  const register = [
    registerBackup,
    registerList,
    registerDescribe,
    registerWindow,
    registerPrune,
    registerRestore,
    registerRuns,
    registerRetry,
    registerArchive,
    registerForecast,
    registerConfig,
    registerRoles,
  ];
  for (const each of register) each(program, options);
  return program;
}

export function globalOptionsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}
