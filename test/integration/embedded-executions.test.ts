import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedExecutions } from '../../local/states-language/executions.ts';
import { FileJournal } from '../../local/states-language/journal.ts';
import { loadStateMachine } from '../../local/states-language/load-state-machine.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { JournalExecutions } from '../../src/adapters/process/embedded-executions.ts';
import { appendingTo, JsonLogger } from '../../src/adapters/process/json-logger.ts';
import { LogEventPublisher } from '../../src/adapters/process/log-event-publisher.ts';
import { isAlive, thisProcess } from '../../src/adapters/process/process-identity.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import { stateKeys } from '../../src/domain/names.ts';

const clock = new SystemClock();
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

function start(command: string, ...args: string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  return child;
}

/** The journal of a run, as the embedded engine writes it, and whether the run counts as running. */
async function isRunning(...lines: string[]): Promise<boolean> {
  const state = new MemoryObjectStore();
  await state.put(stateKeys.journal('run'), Buffer.from(lines.join('')));
  return new JournalExecutions(state).isRunning('run');
}
const started = (identity: object) =>
  `${JSON.stringify({ id: 1, type: 'ExecutionStarted', executionStartedEventDetails: { input: '{}', ...identity } })}\n`;
const event = (id: number, type: string) => `${JSON.stringify({ id, type })}\n`;

describe('JournalExecutions', () => {
  it('calls a run running while its process lives and its journal has no last event', async () => {
    const me = started(thisProcess());
    expect(await isRunning(me)).toBe(true);
    expect(await isRunning(me, event(2, 'TaskStateEntered'))).toBe(true);
  });

  it.each(['ExecutionSucceeded', 'ExecutionFailed', 'ExecutionAborted', 'ExecutionTimedOut'])(
    'calls a run ended by %s, once the line is whole',
    async (type) => {
      const me = started(thisProcess());
      expect(await isRunning(me, event(2, type))).toBe(false);
      expect(await isRunning(me, event(2, type).slice(0, -1))).toBe(true);
    },
  );

  it('calls a run ended without a journal, or with one that does not say whose it is', async () => {
    expect(await new JournalExecutions(new MemoryObjectStore()).isRunning('run')).toBe(false);
    expect(await isRunning('')).toBe(false);
    expect(await isRunning(started(thisProcess()).slice(0, -10))).toBe(false);
    expect(await isRunning(started({}), event(2, 'TaskStateEntered'))).toBe(false);
  });

  it('calls a run ended when its process is gone, or its id is used by another', async () => {
    const me = thisProcess();
    expect(await isRunning(started({ ...me, processStart: `${me.processStart}1` }))).toBe(false);
    expect(await isRunning(started({ ...me, processStart: me.processStart.replace(/^./, 'x') }))).toBe(false);
    expect(await isRunning(started({ ...me, pid: 1 }))).toBe(false);
  });
});

describe('JournalExecutions beside the embedded engine', () => {
  it('calls an execution running from its first event to its last', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
    const state = new DirectoryObjectStore({ root });
    const observer = new JournalExecutions(state);
    await state.put(stateKeys.runRequest('run'), Buffer.from('{}'));
    const inTask = Promise.withResolvers<undefined>();
    const proceed = Promise.withResolvers<undefined>();
    const engine = new EmbeddedExecutions({
      clock,
      journal: (name) => new FileJournal(join(root, stateKeys.journal(name))),
      processFacts: thisProcess(),
      tasks: async () => {
        inTask.resolve(undefined);
        await proceed.promise;
        return {};
      },
    });
    const task = { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', TimeoutSeconds: 60, End: true };
    const machine = { StartAt: 'Work', States: { Work: { ...task, Parameters: { FunctionName: 'Work' } } } };
    expect(await observer.isRunning('run')).toBe(false);
    const { result } = engine.start(loadStateMachine(JSON.stringify(machine), {}), 'run', {});
    await inTask.promise;
    expect(await observer.isRunning('run')).toBe(true);
    proceed.resolve(undefined);
    expect(await result).toMatchObject({ status: 'SUCCEEDED' });
    expect(await observer.isRunning('run')).toBe(false);
    await state.close();
    await rm(root, { recursive: true });
  });
});

describe('isAlive', () => {
  const script = join(import.meta.dirname, '../../src/adapters/process/process-identity.ts');
  const tell = `const { thisProcess } = await import(${JSON.stringify(script)}); console.log(JSON.stringify(thisProcess())); setInterval(() => {}, 60000);`;

  it('follows a real process through its death, killed or not yet reaped', async () => {
    const child = start(process.execPath, '--input-type=module', '-e', tell);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const identity = JSON.parse(line.toString()) as ReturnType<typeof thisProcess>;
    expect(identity.pid).toBe(child.pid);
    expect(await isAlive(identity)).toBe(true);
    process.kill(identity.pid, 'SIGSTOP');
    expect(await isAlive(identity), 'a stopped process lives').toBe(true);
    const exit = once(child, 'exit');
    process.kill(identity.pid, 'SIGKILL');
    await exit;
    expect(await isAlive(identity)).toBe(false);
  });

  it('takes a zombie for dead', async () => {
    // The shell starts a child and becomes a program that never reaps it.
    const parent = start(
      'sh',
      '-c',
      `"$0" --input-type=module -e '${tell.replaceAll("'", '"')}' & exec sleep 60`,
      process.execPath,
    );
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const identity = JSON.parse(line.toString()) as ReturnType<typeof thisProcess>;
    expect(await isAlive(identity)).toBe(true);
    process.kill(identity.pid, 'SIGKILL');
    await expect.poll(() => isAlive(identity), { interval: 5, timeout: 20_000 }).toBe(false);
    expect(await readFile(`/proc/${identity.pid}/stat`, 'utf8')).toMatch(/\) Z /);
  });
});

describe('a log file', () => {
  it('is made with its folders and appended to; what it can not take goes to stderr', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-log-'));
    const path = join(directory, 'logs', 'holdfast.ndjson');
    for (const message of ['first', 'second']) {
      const { write, close } = appendingTo(path);
      new JsonLogger({ clock, write }).info(message);
      close();
    }
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { message: 'first' },
      { message: 'second' },
    ]);
    const toStderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    appendingTo(join(path, 'in a file')).write('third\n');
    expect(toStderr).toHaveBeenCalledWith('third\n');
    toStderr.mockRestore();
    await rm(directory, { recursive: true });
  });
});

describe('a log on stderr', () => {
  it('does not end the program when its reader is gone', async () => {
    const source = join(import.meta.dirname, '../../src/adapters/process');
    const program = `
      const { JsonLogger } = await import(${JSON.stringify(join(source, 'json-logger.ts'))});
      const logger = new JsonLogger({ clock: { now: () => new Date() } });
      process.stdin.once('data', async () => {
        for (let n = 0; n < 3; n++) {
          logger.error('nobody reads');
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        process.exit(42);
      });
      console.log('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    children.add(child);
    await once(child.stdout, 'data');
    child.stderr.destroy();
    child.stdin.write('go');
    expect(await once(child, 'exit')).toEqual([42, null]);
  });
});

describe('LogEventPublisher', () => {
  it('appends events as lines without secrets, and survives a file that can not be written', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-events-'));
    const logged: string[] = [];
    const logger = new JsonLogger({ clock, write: (line) => logged.push(line) });
    const file = join(directory, 'state', 'events.ndjson');
    const publisher = new LogEventPublisher({ clock, logger, file });
    await publisher.publish({ detailType: 'Backup Started', detail: { deployment: 'orders' } });
    await publisher.publish({ detailType: 'Backup Failed', detail: { error: 'mongodb://u:hunter2@h\nforged' } });
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { detailType: 'Backup Started', detail: { deployment: 'orders' } },
      { detailType: 'Backup Failed', detail: { error: 'mongodb://[redacted]@h\nforged' } },
    ]);
    expect(logged).toHaveLength(2);
    await writeFile(join(directory, 'file'), '');
    const broken = new LogEventPublisher({ clock, logger, file: join(directory, 'file', 'events.ndjson') });
    await broken.publish({ detailType: 'Backup Started', detail: {} });
    expect(logged.at(-1)).toContain('could not be written');
    await rm(directory, { recursive: true });
  });
});

describe('SystemClock', () => {
  it('sleeps, also longer than a timer can, and wakes with the reason of an abort', async () => {
    const before = clock.now().getTime();
    await clock.sleep(20);
    await clock.sleep(0);
    expect(clock.now().getTime() - before).toBeGreaterThanOrEqual(19);
    const abort = new AbortController();
    const reason = new TypeError('enough');
    const long = clock.sleep(2 ** 40, abort.signal);
    abort.abort(reason);
    await expect(long).rejects.toBe(reason);
    await expect(clock.sleep(1, abort.signal)).rejects.toBe(reason);
    await expect(clock.sleep(0, abort.signal)).rejects.toBe(reason);
  });
});
