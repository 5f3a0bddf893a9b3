import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { refuseCredentialsInArguments } from './command-arguments.ts';
import type { CliEnvironment } from './environment.ts';
import { errorDocument, renderError, toHoldfastError } from './output/error-report.ts';
import { safeJson } from './output/printable.ts';
import { buildProgram, globalOptionsOf } from './program.ts';
import { openSession } from './session.ts';

/**
 * Runs one command line.
 * @returns the exit code: 0, or that of the kind of error (docs/errors.md)
 */
export async function runCli(environment: CliEnvironment): Promise<number> {
  let exitCode = 0;
  const program = buildProgram({
    now: () => environment.now(),
    writeOut: (text) => environment.stdout.write(text),
    run: async (command, work) => {
      const session = openSession(environment, globalOptionsOf(command));
      try {
        await work(session);
        exitCode = session.exitCode();
      } finally {
        await session.close();
      }
    },
  });
  try {
    refuseCredentialsInArguments(environment.argv);
    await program.parseAsync(environment.argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return reportFailure(environment, program, error);
  }
}

function reportFailure(environment: CliEnvironment, program: Command, thrown: unknown): number {
  const error = toHoldfastError(thrown, commandNamed(program, environment.argv));
  if (wantsJson(environment.argv)) environment.stdout.write(`${safeJson(errorDocument(error))}\n`);
  environment.stderr.write(`${renderError(error, { debug: environment.env['HOLDFAST_DEBUG'] === '1' })}\n`);
  return error.exitCode;
}

/** Read from the arguments themselves: they may be what could not be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (argument, n) => argument === '--output=json' || (argument === '--output' && argv[n + 1] === 'json'),
  );
}

function commandNamed(program: Command, argv: readonly string[]): string {
  const first = program.commands.find((command) => argv.includes(command.name()));
  const second = first?.commands.find((command) => argv.includes(command.name()));
  return [program, first, second].flatMap((command) => (command ? [command.name()] : [])).join(' ');
}
