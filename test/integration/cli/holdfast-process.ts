import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join(import.meta.dirname, '..', '..', '..', 'scripts', 'holdfast.mjs');

export interface ProcessResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<ProcessResult>;
  /** Resolves when stderr holds the text; rejects when the process ends without it. */
  stderrHas(text: string): Promise<void>;
}

/** Starts the real command line as a user does, without anything of this process's HOLDFAST_ settings. */
export function startHoldfast(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): StartedProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'));
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), TZ: 'UTC', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const stderrHas = async (text: string) => {
    while (!stderr.includes(text)) {
      const more = await Promise.race([once(child.stderr, 'data').then(() => true), ended.then(() => false)]);
      if (!more && !stderr.includes(text)) throw new Error(`holdfast ended without "${text}":\n${stderr}`);
    }
  };
  return { child, ended, stderrHas };
}

export async function holdfast(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): Promise<ProcessResult> {
  return startHoldfast(argv, options).ended;
}
