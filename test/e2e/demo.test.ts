import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../../local/servers/poll.ts';

const root = join(import.meta.dirname, '../..');

interface Demo {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

/** In a process group of its own, as a terminal gives it. */
function startDemo(): Demo {
  const child = spawn(process.execPath, ['local/demo.ts'], { cwd: root, detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  return { child, output: () => output, exit };
}

const readOrEmpty = (file: string) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

/** What is alive of the demo's process group, or works in one of its directories; zombies are not. */
function processesOf(pid: number): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    const [state, , group] = readOrEmpty(`/proc/${entry}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    if (state === undefined || state === 'Z') return false;
    return group === String(pid) || readOrEmpty(`/proc/${entry}/cmdline`).includes(`holdfast-servers-${pid}-`);
  });
}

const directoriesOf = (pid: number) =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`holdfast-servers-${pid}-`));

async function untilNothingIsLeft(pid: number): Promise<void> {
  const nothing = () => processesOf(pid).length === 0 && directoriesOf(pid).length === 0;
  await until('no process and no directory is left', () => Promise.resolve(nothing() || undefined), 20_000);
}

describe('the demo', () => {
  let running: Demo | undefined;
  afterEach(() => {
    if (running?.child.exitCode === null) running.child.kill('SIGKILL');
  });

  test('backs up a replica set under load, restores it, proves both equal, and leaves nothing behind', async () => {
    const demo = (running = startDemo());
    const code = await demo.exit;
    const output = demo.output();
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(output).toMatch(/hidden, votes 0 +→ is read/);
    expect(output).toMatch(/State machine +\d+ state transitions, \d+ of them while it waited/);
    expect(output).toMatch(/shop\.orders +[\d,]+ +[67] +([0-9a-f]{12}) +\1 +equal/);
    expect(output).not.toContain('DIFFERENT');
    expect(output).toMatch(
      /Proved: the restored server equals the source at .*: [\d,]+ documents in 11 collections, \d+ indexes, 4 users, 3 roles/,
    );
    // Plain text where there is no terminal.
    expect(output.includes('\u001b')).toBe(false);
    expect([processesOf(demo.child.pid ?? 0), directoriesOf(demo.child.pid ?? 0)]).toEqual([[], []]);
  });

  test('Ctrl-C in the middle of the backup ends it, with no process and no directory left', async () => {
    const demo = (running = startDemo());
    const pid = demo.child.pid ?? 0;
    const ended = demo.exit.then(() => 'ended');
    const seen = (text: string) =>
      until(`the demo says ${text}`, () => Promise.resolve(demo.output().includes(text) || undefined));
    expect(await Promise.race([seen('Acquire Lease'), ended])).not.toBe('ended');
    expect(directoriesOf(pid)).toHaveLength(1);
    expect(existsSync(join(tmpdir(), directoriesOf(pid)[0] ?? '', ''))).toBe(true);
    process.kill(-pid, 'SIGINT');
    expect(await demo.exit).toBe(130);
    expect(demo.output()).toContain('The demo was interrupted');
    await untilNothingIsLeft(pid);
  });
});
