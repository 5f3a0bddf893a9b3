import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { type CliEnvironment, interruptSignals } from './environment.ts';
import { runCli } from './run-cli.ts';

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

const environment: CliEnvironment = {
  argv: process.argv.slice(2),
  // cron sets no USER: the account has a name all the same.
  env: { ...process.env, USER: process.env['USER'] ?? userInfo().username },
  stdout: process.stdout,
  stderr: process.stderr,
  interactive: process.stdin.isTTY && process.stderr.isTTY,
  now: () => new Date(),
  openClient: async (options) => {
    // Loaded when needed: help, version and wrong input answer without the driver and the engine.
    const { openEmbedded } = await import('../local/embedded.ts');
    return openEmbedded(options);
  },
  checkConfig: async (settings) => {
    if (settings.network !== undefined) {
      const { checkAwsConfig } = await import('../src/composition/check-aws-config.ts');
      return checkAwsConfig(settings);
    }
    const { checkLocalConfig } = await import('../src/composition/check-local-config.ts');
    return checkLocalConfig(settings);
  },
  ask,
  onInterrupt: (handler) => {
    for (const signal of interruptSignals) process.on(signal, handler);
    return () => {
      for (const signal of interruptSignals) process.off(signal, handler);
    };
  },
  leave: (exitCode) => {
    process.exit(exitCode);
  },
};

// `holdfast list | head -1` closes the pipe early: that is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
});

// The terminal that hung up (SIGHUP) takes no more output: the run is cancelled and cleaned up all the same.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
});

/** What a command no longer waits for, such as a storage that hangs, may go on for minutes, and nobody would hear of it. Milliseconds. */
const longestRest = 2_000;

process.exitCode = await runCli(environment);
setTimeout(() => process.exit(), longestRest).unref();
