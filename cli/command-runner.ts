import type { Command } from 'commander';
import type { CommandSession } from './session.ts';

/** Runs a command's work with a session made of the options that every command has. */
export type RunCommand = (command: Command, work: (session: CommandSession) => Promise<void>) => Promise<void>;

export interface ProgramOptions {
  readonly run: RunCommand;
  readonly now: () => Date;
  readonly writeOut: (text: string) => void;
}
