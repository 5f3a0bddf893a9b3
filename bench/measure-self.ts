import { readFile } from 'node:fs/promises';

/**
 * Runs one variant in this process, which is its own, and prints what it did and cost as the one line of JSON that
 * `measureScript` reads.
 * @param describe adds what is no part of the measured work
 */
export async function measureSelf(
  run: (() => Promise<object>) | undefined,
  close: () => Promise<void>,
  describe: () => Promise<object> = () => Promise.resolve({}),
): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const result = await run?.();
  const { user, system } = process.cpuUsage(cpu);
  const usage = {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    // Not resourceUsage().maxRSS: across fork and exec a process inherits that of its parent.
    peakMiB: Number(/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024,
  };
  await close();
  console.log(JSON.stringify({ ...result, ...usage, ...(await describe()) }));
}
