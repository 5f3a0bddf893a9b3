/** A process that launches one scripted worker and waits to be killed: `node launching-parent.ts TASK_KEY`. */
import { join } from 'node:path';
import { ForkWorkerLauncher } from '../../src/adapters/process/fork-worker-launcher.ts';
import { JsonLogger } from '../../src/adapters/process/json-logger.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';

const launcher = new ForkWorkerLauncher({
  entry: join(import.meta.dirname, 'scripted-worker.ts'),
  callbacks: {
    success: () => Promise.resolve(),
    failure: () => Promise.resolve(),
    heartbeat: () => Promise.resolve(true),
  },
  logger: new JsonLogger({ clock: new SystemClock() }),
});
await launcher.launch({ runId: 'run', taskKey: process.argv[2] ?? '', taskToken: 'token' });
