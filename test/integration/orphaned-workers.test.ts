import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { OrphanStoppingLauncher } from '../../src/adapters/process/orphaned-workers.ts';
import { isAlive, type ProcessIdentity } from '../../src/adapters/process/process-identity.ts';
import { JsonLogger } from '../../src/adapters/process/json-logger.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import type { WorkerLauncher } from '../../src/application/ports/worker-launcher.ts';
import { stateKeys } from '../../src/domain/names.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
const state = new MemoryObjectStore();
const none: WorkerLauncher = { launch: () => Promise.resolve(), stopAll: () => Promise.resolve() };
const launcher = new OrphanStoppingLauncher({
  launcher: none,
  state,
  clock: new SystemClock(),
  logger: new JsonLogger({ clock: new SystemClock(), write: () => undefined }),
  graceMilliseconds: 300,
});

/** A process that is registered as the run's worker of that attempt. */
async function startWorker(attempt: string): Promise<{ child: ChildProcess; identity: ProcessIdentity }> {
  const child = spawn('sleep', ['300'], { stdio: 'ignore' });
  children.push(child);
  const pid = child.pid ?? 0;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
  const identity = { pid, processStart: `${boot}:${start}` };
  const key = stateKeys.worker('run', attempt);
  await state.put(key, Buffer.from(JSON.stringify({ schemaVersion: 1, ...identity })));
  expect(await isAlive(identity)).toBe(true);
  return { child, identity };
}

test('of the attempts named only those are stopped, also when they are frozen; of none named, all', async () => {
  const first = await startWorker('dump-rs0-1');
  const second = await startWorker('dump-rs0-2');
  first.child.kill('SIGSTOP');
  await launcher.stopAll('run', ['dump-rs0-1']);
  expect(await isAlive(first.identity)).toBe(false);
  expect(await isAlive(second.identity)).toBe(true);
  await launcher.stopAll('run');
  expect(await isAlive(second.identity)).toBe(false);
});

test('a worker that outlives SIGKILL is given up as lost', async () => {
  await startWorker('dump-rs0-3');
  // Stands for a process that the kernel can't end, as one is that waits for a dead mount.
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const impatient = new OrphanStoppingLauncher({
    ...{ launcher: none, state, clock: new SystemClock(), killMilliseconds: 300, graceMilliseconds: 300 },
    logger: new JsonLogger({ clock: new SystemClock(), write: () => undefined }),
  });
  try {
    await expect(impatient.stopAll('run', ['dump-rs0-3'])).rejects.toMatchObject({ name: 'WorkerLost' });
    expect(kill).toHaveBeenCalledWith(expect.any(Number), 'SIGKILL');
  } finally {
    kill.mockRestore();
  }
});
