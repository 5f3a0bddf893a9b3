import { HoldfastError } from '../src/domain/errors.ts';
import { parseDemoArguments } from './demo/demo-storage.ts';
import { runDemo } from './demo/run-demo.ts';
import { openScreen } from './demo/screen.ts';

// `npm run demo`: a replica set under load, backed up, restored and proved equal, on this machine and without a trace.

const silence = new AbortController();
const screen = openScreen(process.stdout);
const things = new AsyncDisposableStack();

/** Rejects at the first Ctrl-C; a second one leaves at once, and the reaper takes away what is left. */
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(130));
      reject(new HoldfastError('Cancelled', 'The demo was interrupted.'));
    });
  }
});

async function main(): Promise<number> {
  try {
    const kind = parseDemoArguments(process.argv.slice(2));
    const demo = runDemo(openScreen(process.stdout, silence.signal), things, kind);
    // After an interrupt nobody waits for it any more, and it fails because its servers go.
    demo.catch(() => undefined);
    await Promise.race([demo, interrupted]);
    return 0;
  } catch (error) {
    silence.abort();
    const known =
      error instanceof HoldfastError ? error : new HoldfastError('Internal', String(error), { cause: error });
    screen.verdict(`${known.code} ${known.message}`, false);
    if (known.name === 'Internal') console.error(error);
    else if (known.name !== 'Cancelled') screen.note(known.next);
    return known.name === 'Cancelled' ? 130 : known.exitCode;
  }
}

const exitCode = await main();
screen.now('cleaning up');
try {
  await things.disposeAsync();
} catch (error) {
  console.error(error);
}
screen.note('Servers stopped, directories removed.');
// Leaves even if an interrupted step still holds something open; what it holds dies with this process.
process.exit(exitCode);
