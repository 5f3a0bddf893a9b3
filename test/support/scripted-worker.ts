/** A worker that does what its task key says: the child of the launcher's tests. */
import { appendFileSync, writeSync } from 'node:fs';
import { IpcTaskCallbacks } from '../../src/adapters/process/ipc-task-callbacks.ts';

const channel = new IpcTaskCallbacks();
const { runId, taskKey, taskToken, environment } = await channel.receiveTask();
const [act = '', argument = ''] = taskKey.split('=');

const forever = () => new Promise(() => setInterval(() => undefined, 60_000));

const acts: Record<string, () => Promise<void>> = {
  succeed: () => channel.success(taskToken, { runId, taskKey }),
  fail: () => channel.failure(taskToken, 'OplogRolledOver', '{"code":"HF-2008","message":"m","next":"n"}'),
  /** Answers and is gone at once: the answer may still be in the channel when the exit is noticed. */
  'succeed-and-exit': async () => {
    void channel.success(taskToken, 'last words');
    await new Promise((resolve) => setImmediate(resolve));
    process.exit(0);
  },
  report: () =>
    channel.success(taskToken, { environment, env: process.env, argv: process.argv, execArgv: process.execArgv }),
  exit: () => process.exit(Number(argument)),
  hang: async () => {
    writeSync(2, `hanging ${process.pid}\n`);
    await forever();
  },
  /** Beats until the workflow wants it no more, then answers how often it was wanted. */
  beat: async () => {
    let wanted = 0;
    while (await channel.heartbeat(taskToken)) wanted++;
    await channel.success(taskToken, wanted);
  },
  'clean-up-on-term': async () => {
    process.on('SIGTERM', () => {
      void channel.failure(taskToken, 'Cancelled', '{}').then(() => process.exit(9));
    });
    await channel.heartbeat(taskToken);
    await forever();
  },
  'ignore-term': async () => {
    process.on('SIGTERM', () => undefined);
    await channel.heartbeat(taskToken);
    await forever();
  },
  'close-channel': async () => {
    process.on('SIGTERM', () => process.exit(3));
    process.disconnect();
    await forever();
  },
  'answer-and-stay': async () => {
    await channel.success(taskToken, 'done');
    writeSync(2, `hanging ${process.pid}\n`);
    await forever();
  },
  nonsense: async () => {
    process.send?.({ type: 'nonsense' });
    process.send?.({ type: 'success', id: 1, token: "another worker's", output: 'stolen' });
    await channel.success(taskToken, 'sense').catch(() => undefined);
  },
  'refused-answer': async () => {
    await channel.success(taskToken, 'refuse').catch((error: unknown) => {
      writeSync(2, `${String(error)}\n`);
    });
    await channel.failure(taskToken, 'WorkerFailed', '{}');
  },
  /** Waits for the loss of the channel and leaves a note of what it saw then. */
  'until-lost': async () => {
    appendFileSync(argument, `started ${process.pid}\n`);
    const keepAlive = setInterval(() => undefined, 60_000);
    await new Promise((resolve) => {
      channel.lost.addEventListener('abort', resolve);
    });
    const wanted = await channel.heartbeat(taskToken);
    const answer = await channel.success(taskToken, 'x').then(
      () => 'accepted',
      (error: unknown) => (error as Error).name,
    );
    appendFileSync(argument, `lost: wanted ${wanted}, answer ${answer}\n`);
    clearInterval(keepAlive);
  },
};

await acts[act]?.();
channel.close();
