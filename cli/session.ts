import type { HoldfastClient } from '../src/application/ports/holdfast-client.ts';
import type { CliEnvironment } from './environment.ts';
import { makeLineLogger } from './output/line-logger.ts';
import { safeJson } from './output/printable.ts';

export interface GlobalOptions {
  readonly config?: string;
  readonly output: 'table' | 'json';
  readonly quiet?: boolean;
  readonly yes?: boolean;
}

/** What a command works with: its process, the options that every command has, and the product. */
export interface CommandSession {
  readonly environment: CliEnvironment;
  readonly options: GlobalOptions;
  readonly configPath: string;
  /** The product; opened at the first call, closed when the command ends. */
  client(): Promise<HoldfastClient>;
  /** The command's result: the document for `--output json`, else the text. */
  print(document: object, text: () => string): void;
  /** What a person may want to know, on stderr; nothing with --quiet. */
  note(line: string): void;
  /** For a command whose result is a document that tells of problems. */
  endWith(exitCode: number): void;
  exitCode(): number;
  close(): Promise<void>;
}

const defaultConfigPath = 'holdfast.config.yaml';

export function openSession(environment: CliEnvironment, options: GlobalOptions): CommandSession {
  const configPath = options.config ?? (environment.env['HOLDFAST_CONFIG'] || defaultConfigPath);
  const verbose = environment.env['HOLDFAST_DEBUG'] === '1';
  const logger = makeLineLogger(environment.stderr, { verbose, quiet: options.quiet === true });
  let exitCode = 0;
  let opened: Promise<HoldfastClient> | undefined;
  return {
    environment,
    options,
    configPath,
    client: () => (opened ??= environment.openClient({ configPath, logger })),
    print: (document, text) => {
      environment.stdout.write(`${options.output === 'json' ? safeJson(document) : text()}\n`);
    },
    note: (line) => {
      if (options.quiet !== true) environment.stderr.write(`${line}\n`);
    },
    endWith: (code) => {
      exitCode = code;
    },
    exitCode: () => exitCode,
    // A client that could not be opened has been reported by whoever asked for it.
    close: async () => {
      const client = await opened?.catch(() => undefined);
      await client?.close();
    },
  };
}

/** Who asked, for the record on the run: the account of this machine. */
export function requesterOf({ environment }: CommandSession): string {
  return `cli:${environment.env['USER'] ?? environment.env['LOGNAME'] ?? 'unknown'}`;
}
