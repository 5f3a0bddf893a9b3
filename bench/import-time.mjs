// Imports a bundle in this process, which did nothing else before, and prints how many milliseconds that took: of the clock and of the CPU.
const begun = performance.now();
const before = process.cpuUsage();
await import(process.argv[2]);
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ wall: performance.now() - begun, cpu: (user + system) / 1000 }));
process.exit();
