/**
 * Runs one variant in this process, which is its own, and prints what it did and cost as the one line of JSON that
 * `measureScript` reads.
 */
export async function measureSelf(run: (() => Promise<object>) | undefined, close: () => Promise<void>): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const result = await run?.();
  const { user, system } = process.cpuUsage(cpu);
  const usage = {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  };
  await close();
  console.log(JSON.stringify({ ...result, ...usage }));
}
