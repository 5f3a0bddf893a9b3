import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ForkWorkerLauncher } from '../../src/adapters/process/fork-worker-launcher.ts';
import { JsonLogger } from '../../src/adapters/process/json-logger.ts';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import { HoldfastError } from '../../src/domain/errors.ts';

const entry = join(import.meta.dirname, '../support/scripted-worker.ts');
const runId = 'run-1';

/** The workflow's side, which records what it is told. */
class RecordedCallbacks {
  readonly told: unknown[] = [];
  beats = 0;
  wantedBeats = Number.POSITIVE_INFINITY;
  success(token: string, output: unknown): Promise<void> {
    if (output === 'refuse') return Promise.reject(new HoldfastError('Duplicate', 'answered before'));
    this.told.push({ token, output });
    return Promise.resolve();
  }
  failure(token: string, error: string, cause: string): Promise<void> {
    this.told.push({ token, error, cause: JSON.parse(cause) as unknown });
    return Promise.resolve();
  }
  heartbeat(): Promise<boolean> {
    return Promise.resolve(++this.beats <= this.wantedBeats);
  }
}

let directory: string;
let log: string;
let callbacks: RecordedCallbacks;
let logged: string[];
let launcher: ForkWorkerLauncher;
const make = (options: Partial<ConstructorParameters<typeof ForkWorkerLauncher>[0]> = {}) =>
  new ForkWorkerLauncher({
    entry,
    callbacks,
    logger: new JsonLogger({ clock: new SystemClock(), level: 'debug', write: (line) => logged.push(line) }),
    logFile: () => log,
    ...options,
  });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-worker-'));
  log = join(directory, 'logs', 'worker.log');
  callbacks = new RecordedCallbacks();
  logged = [];
  launcher = make({ graceMilliseconds: 5000 });
});
afterEach(async () => {
  await launcher.stopAll(runId);
  await rm(directory, { recursive: true });
});

const told = (count = 1) => vi.waitFor(() => { expect(callbacks.told).toHaveLength(count); }, { timeout: 20_000, interval: 5 }); // prettier-ignore
const launch = (taskKey: string, taskToken = 'token-1') => launcher.launch({ runId, taskKey, taskToken });
const logText = () => (existsSync(log) ? readFile(log, 'utf8') : Promise.resolve(''));
const isGone = (pid: number) => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};
/** The id of the worker that hangs, once it does. */
async function hangingPid(): Promise<number> {
  const line = await vi.waitUntil(async () => /hanging (\d+)/.exec(await logText()), { timeout: 20_000, interval: 5 });
  return Number(line[1]);
}

describe('the answer of a worker', () => {
  it('reaches the workflow with its token', async () => {
    await launch('succeed');
    await told();
    expect(callbacks.told).toEqual([{ token: 'token-1', output: { runId, taskKey: 'succeed' } }]);
  });

  it('may be a failure by name', async () => {
    await launch('fail');
    await told();
    expect(callbacks.told).toEqual([
      { token: 'token-1', error: 'OplogRolledOver', cause: { code: 'HF-2008', message: 'm', next: 'n' } },
    ]);
  });

  it('is heard even when the worker is gone right after it', async () => {
    for (let n = 0; n < 5; n++) await launch('succeed-and-exit', `token-${n}`);
    await told(5);
    await launcher.stopAll(runId);
    expect(callbacks.told).toEqual(
      Array.from({ length: 5 }, () => expect.objectContaining({ output: 'last words' }) as unknown),
    );
  });

  it('may be tried another way when it is refused', async () => {
    await launch('refused-answer');
    await told();
    expect(callbacks.told).toMatchObject([{ error: 'WorkerFailed' }]);
    expect(await logText()).toContain('answered before');
  });

  it('counts for its own token only, and only when it is one', async () => {
    await launch('nonsense');
    await told();
    await launcher.stopAll(runId);
    expect(callbacks.told).toEqual([{ token: 'token-1', output: 'sense' }]);
    expect(logged.join('')).toContain('no question');
  });
});

describe('a heartbeat', () => {
  it('tells the worker when the workflow no longer wants it', async () => {
    callbacks.wantedBeats = 7;
    await launch('beat');
    await told();
    expect(callbacks.told).toEqual([{ token: 'token-1', output: 7 }]);
  });
});

describe('a worker that ends without an answer', () => {
  it.each([
    ['exit=70', 'exit code 70'],
    ['exit=0', 'exit code 0'],
  ])('is WorkerLost at once: %s', async (taskKey, how) => {
    await launch(taskKey);
    await told();
    const message = expect.stringContaining(how) as unknown;
    expect(callbacks.told).toMatchObject([
      { token: 'token-1', error: 'WorkerLost', cause: { code: 'HF-7002', message } },
    ]);
  });

  it('is WorkerLost at once when it is killed, with the signal and the place of its log', async () => {
    await launch('hang');
    process.kill(await hangingPid(), 'SIGKILL');
    const killed = performance.now();
    await told();
    expect(performance.now() - killed).toBeLessThan(5000);
    const { message } = (callbacks.told[0] as { cause: { message: string } }).cause;
    expect(message).toContain('signal SIGKILL');
    expect(message).toContain(log);
    expect(message).not.toContain('asked to stop');
  });

  it('is WorkerLost when its program is not there', async () => {
    launcher = make({ entry: join(directory, 'none.ts') });
    await launch('succeed');
    await told();
    expect(callbacks.told).toMatchObject([{ error: 'WorkerLost' }]);
  });

  it('is ended when it closes its channel', async () => {
    await launch('close-channel');
    await told();
    expect(callbacks.told).toMatchObject([{ error: 'WorkerLost' }]);
  });
});

describe('launching', () => {
  it('starts one worker for a token, also when launched again at once or after its end', async () => {
    await Promise.all([launch('succeed'), launch('succeed')]);
    await told();
    await launcher.stopAll(runId);
    await launch('succeed');
    await launch('succeed', 'token-2');
    await told(2);
    expect(callbacks.told).toMatchObject([{ token: 'token-1' }, { token: 'token-2' }]);
  });

  it('shows neither token, task key nor credentials in arguments and environment, and caps the heap', async () => {
    process.env['HOLDFAST_TEST_SECRET'] = 'hunter2';
    launcher = make({
      args: ['--state-dir', directory],
      environment: { ORDERS_PASSWORD: 'hunter2', UNSET: undefined },
    });
    await launch('report', 'secret-token');
    await told();
    delete process.env['HOLDFAST_TEST_SECRET'];
    const [{ output }] = callbacks.told as [{ output: Record<string, unknown> }];
    expect(output['environment']).toEqual({ ORDERS_PASSWORD: 'hunter2' });
    expect(output['argv']).toEqual([expect.anything(), entry, '--state-dir', directory]);
    expect(output['execArgv']).toEqual(workerFlags);
    const visible = JSON.stringify([output['env'], output['argv'], output['execArgv']]);
    for (const hidden of ['hunter2', 'secret-token', '"report"']) expect(visible).not.toContain(hidden);
    expect(output['env']).toHaveProperty('PATH');
  });
});

describe('stopAll', () => {
  it('lets a worker clean up and answer, and resolves when it is gone', async () => {
    await launch('clean-up-on-term');
    await vi.waitFor(() => { expect(callbacks.beats).toBe(1); }, { timeout: 20_000, interval: 5 }); // prettier-ignore
    await launcher.stopAll(runId);
    expect(callbacks.told).toMatchObject([{ error: 'Cancelled' }]);
  });

  it('kills a worker that does not go within the grace', async () => {
    launcher = make({ graceMilliseconds: 300 });
    await launch('ignore-term');
    await vi.waitFor(() => { expect(callbacks.beats).toBe(1); }, { timeout: 20_000, interval: 5 }); // prettier-ignore
    const before = performance.now();
    await launcher.stopAll(runId);
    expect(performance.now() - before).toBeGreaterThanOrEqual(290);
    const message = expect.stringMatching(/signal SIGKILL.*asked to stop/) as unknown;
    expect(callbacks.told).toMatchObject([{ error: 'WorkerLost', cause: { message } }]);
  });

  it('stops the workers of its run, or of the attempts named, only', async () => {
    await launch('hang');
    const pid = await hangingPid();
    await launcher.stopAll('another run');
    await launcher.stopAll(runId, ['dump-rs0-1']);
    expect(isGone(pid)).toBe(false);
    await launcher.stopAll(runId);
    expect(isGone(pid)).toBe(true);
    await launcher.stopAll(runId);
  });

  it('need not be called for a worker that stays after its answer', async () => {
    launcher = make({ graceMilliseconds: 200 });
    await launch('answer-and-stay');
    const pid = await hangingPid();
    await vi.waitUntil(() => isGone(pid), { timeout: 20_000, interval: 5 });
    expect(callbacks.told).toEqual([{ token: 'token-1', output: 'done' }]);
  });
});

describe('the death of the parent', () => {
  it('is a refused heartbeat to the worker, which then stops', async () => {
    const notes = join(directory, 'notes');
    const parentScript = join(import.meta.dirname, '../support/launching-parent.ts');
    const parent = spawn(process.execPath, [parentScript, `until-lost=${notes}`], { stdio: 'inherit' });
    const started = await vi.waitUntil(
      async () => existsSync(notes) && /started (\d+)\n/.exec(await readFile(notes, 'utf8')),
      { timeout: 20_000, interval: 10 },
    );
    parent.kill('SIGKILL');
    await vi.waitUntil(() => isGone(Number(started[1])), { timeout: 20_000, interval: 10 });
    expect(await readFile(notes, 'utf8')).toContain('lost: wanted false, answer WorkerLost\n');
  });
});
