/**
 * `npm run bench:overhead`: a whole backup through the state machine beside the engine's dump alone, in turn, of the same
 * member into a directory; medians. Goal: at most 10 % and 15 s more. HOLDFAST_BENCH_SCALE (1 = 1.85 GB, default 0.6) and
 * HOLDFAST_BENCH_RUNS (default 3). Ends with 1 when the goal is missed.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openEmbedded } from '../local/embedded.ts';
import { countTransitions } from '../local/states-language/count-transitions.ts';
import { parseJournal } from '../local/states-language/journal.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { stateKeys } from '../src/domain/names.ts';
import { settingsSchema } from '../src/domain/settings.ts';
import { measureScript, median } from './measure.ts';
import { emptyFolder, replicaSet, startSource } from './source-server.ts';

const goal = { share: 0.1, seconds: 15 };
const parallel = 2;

/** From the request to the end of the run. */
async function backUp(host: string): Promise<{ seconds: number; transitions: string }> {
  const folder = await emptyFolder('overhead-output');
  const settings = settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'bench', stateDir: join(folder, 'state') },
    storages: { disk: { name: 'disk', type: 'directory', path: join(folder, 'artifacts') } },
    deployments: {
      bench: {
        ...{ name: 'bench', uri: `mongodb://${host}/?replicaSet=${replicaSet}`, storage: 'disk' },
        ...{ member: { allowPrimary: true }, compression: {}, limits: { parallel } },
      },
    },
  });
  const client = await openEmbedded({ settings });
  try {
    const start = performance.now();
    const { runId } = await client.startBackup({ deployment: 'bench', requestedBy: 'bench' });
    const { status, error } = await client.waitForRun(runId);
    if (status !== 'succeeded') throw new HoldfastError('Internal', error?.message ?? `the run ended as ${status}`);
    const seconds = (performance.now() - start) / 1000;
    const journal = await readFile(join(settings.stateDir, stateKeys.journal(runId)), 'utf8');
    const { total, waiting } = countTransitions(parseJournal(journal));
    return { seconds, transitions: `${total} state transitions, ${waiting} of them waiting` };
  } finally {
    await client.close();
  }
}

const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '3');
const { server, rawBytes } = await startSource(Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6'), (line) => {
  console.log(`making ${line}`);
});
try {
  const [whole, alone]: [number[], number[]] = [[], []];
  let transitions = '';
  // The first round only warms the server's cache.
  for (let run = 0; run <= runs; run++) {
    const args = ['holdfast zstd-1, to a directory', server.host, await emptyFolder('dump-output'), String(parallel)];
    const dump = await measureScript('dump-run.ts', args, server.pid);
    const backup = await backUp(server.host);
    ({ transitions } = backup);
    if (run === 0) continue;
    alone.push(dump.seconds);
    whole.push(backup.seconds);
  }
  const [backup, dump] = [median(whole), median(alone)];
  const allowed = dump * goal.share + goal.seconds;
  console.log(`${(rawBytes / 1e9).toFixed(2)} GB of BSON, medians of ${runs} runs; ${transitions}`);
  console.table({
    'the dump alone': { seconds: dump.toFixed(1) },
    'a backup through the state machine': { seconds: backup.toFixed(1), ratio: (backup / dump).toFixed(2) },
    overhead: { seconds: (backup - dump).toFixed(1), allowed: allowed.toFixed(1) },
  });
  const reached = backup - dump <= allowed;
  console.log(`goal (10 % and 15 s): ${reached ? 'reached' : 'MISSED'}`);
  if (!reached) process.exitCode = 1;
} finally {
  await server.stop();
  for (const name of ['dump-output', 'overhead-output'])
    await rm(await emptyFolder(name), { recursive: true, force: true });
}
