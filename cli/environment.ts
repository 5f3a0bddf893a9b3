import type { HoldfastClient } from '../src/application/ports/holdfast-client.ts';
import type { ConfigReport } from '../src/application/use-cases/check-config.ts';
import type { Settings } from '../src/domain/settings.ts';
import type { Logger } from '../src/application/ports/logger.ts';

/** What ends a run early: Ctrl-C, what supervisors send, and a terminal or connection that closes. */
export const interruptSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type InterruptSignal = (typeof interruptSignals)[number];

export interface TextSink {
  write(text: string): unknown;
}

/** What the CLI needs of its process, so that tests run it whole without one. */
export interface CliEnvironment {
  /** Without the program's own name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextSink;
  /** Progress, notes and errors; a bar is drawn only where it is a terminal. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Whether a person can be asked: input and messages are a terminal. */
  readonly interactive: boolean;
  /** IANA name; undefined is the machine's. */
  readonly timeZone?: string;
  now(): Date;
  openClient(options: { readonly configPath: string; readonly logger: Logger }): Promise<HoldfastClient>;
  /** Tries what the config names, without a run. */
  checkConfig(settings: Settings): Promise<ConfigReport>;
  /** @returns what was typed, without the line feed. */
  ask(question: string): Promise<string>;
  /** Calls back on every Ctrl-C, SIGTERM and hang-up until the returned function is called. */
  onInterrupt(handler: (signal: InterruptSignal) => void): () => void;
  /** Leaves at once, without waiting for anything. */
  leave(exitCode: number): void;
}
