import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataDirectorySnapshots } from '../src/adapters/directory/data-directory-snapshots.ts';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { JournalExecutions } from '../src/adapters/process/embedded-executions.ts';
import { ForkLockWatchdog } from '../src/adapters/process/fork-lock-watchdog.ts';
import { ForkWorkerLauncher } from '../src/adapters/process/fork-worker-launcher.ts';
import { JsonLogger } from '../src/adapters/process/json-logger.ts';
import { LogEventPublisher } from '../src/adapters/process/log-event-publisher.ts';
import { OrphanStoppingLauncher } from '../src/adapters/process/orphaned-workers.ts';
import { thisProcess } from '../src/adapters/process/process-identity.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import type { HoldfastClient } from '../src/application/ports/holdfast-client.ts';
import type { Logger } from '../src/application/ports/logger.ts';
import type { TaskCallbacks } from '../src/application/ports/task-callbacks.ts';
import type { VolumeSnapshots } from '../src/application/ports/volume-snapshots.ts';
import { composeLocal, type LocalOptions } from '../src/composition/compose-local.ts';
import { LocalStorages } from '../src/composition/local-storages.ts';
import { loadConfig } from '../src/config/load-config.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { nameFailure } from '../src/domain/failure.ts';
import { stateKeys } from '../src/domain/names.ts';
import type { BackupRequest } from '../src/domain/run.ts';
import type { Settings } from '../src/domain/settings.ts';
import { bindFunctions, makeTaskHandler } from './bindings.ts';
import { CredentialEnvironment } from './credential-environment.ts';
import { EmbeddedClient, isTurn } from './embedded-client.ts';
import { JournalRunHistory } from './run-history.ts';
import { EmbeddedExecutions, TaskTokenError } from './states-language/executions.ts';
import { FileJournal, type Journal, MemoryJournal } from './states-language/journal.ts';

export type EmbeddedOptions = ({ readonly configPath: string } | { readonly settings: Settings }) & {
  /** The product's own log; warnings and errors as JSON lines on stderr when left out. */
  readonly logger?: Logger;
  /** Snapshots of the members' data; copies of their data directories when left out. */
  readonly volumes?: VolumeSnapshots;
};

const watchdogEntry = fileURLToPath(new URL('../worker/lock-watchdog.ts', import.meta.url));
const workerEntry = fileURLToPath(new URL('../worker/main.ts', import.meta.url));

/**
 * The product in this process: the state machines of statemachines/ on the embedded engine, a child process for every
 * worker. What earlier processes left is swept first. Close it at the end.
 * @throws InvalidConfig, and the errors of the state directory
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<HoldfastClient> {
  const settings = 'settings' in options ? options.settings : await loadConfig(options.configPath);
  const clock = new SystemClock();
  const client = connectParts(settings, clock, options.logger ?? new JsonLogger({ clock, level: 'warn' }), options);
  await client.sweep();
  return client;
}

function connectParts(
  settings: Settings,
  clock: SystemClock,
  logger: Logger,
  options: Pick<EmbeddedOptions, 'volumes'>,
): EmbeddedClient {
  const stateDir = resolve(settings.stateDir);
  const state = new DirectoryObjectStore({ root: stateDir, description: `state directory ${stateDir}` });
  const credentials = new CredentialEnvironment(settings);
  const storages = new LocalStorages();
  // The engine calls the use cases, which start workers, which answer the engine.
  const engine: { executions?: EmbeddedExecutions; client?: EmbeddedClient } = {};
  const workers = new ForkWorkerLauncher({
    entry: workerEntry,
    args: [stateDir],
    callbacks: tokenCallbacks(engine, logger),
    logger,
    logFile: (runId) => join(stateDir, stateKeys.run(runId), 'worker.log'),
    environment: credentials.values,
  });
  const deps = composeLocal({
    settings,
    clock,
    logger,
    state,
    storages,
    ...snapshotParts(stateDir, credentials, options),
    launcher: new OrphanStoppingLauncher({ launcher: workers, state, clock, logger }),
    executions: new JournalExecutions(state),
    startBackup: (request) => startBackup(engine, request),
    events: new LogEventPublisher({ clock, logger, file: join(stateDir, 'events.ndjson') }),
  });
  const executions = new EmbeddedExecutions({
    clock,
    tasks: makeTaskHandler(bindFunctions(deps)),
    journal: (runId) => journalOf(stateDir, runId),
    processFacts: { ...thisProcess() },
  });
  engine.executions = executions;
  engine.client = new EmbeddedClient({
    deps,
    executions,
    history: new JournalRunHistory(state),
    credentials,
    stateDir,
    sweepTemporaryFiles: () => sweepTemporaryFiles(settings, state, storages, logger),
    close: () => storages.close().then(() => state.close()),
  });
  return engine.client;
}

/** A turn of the archive is no run: it leaves nothing to look at. */
function journalOf(stateDir: string, runId: string): Journal {
  return isTurn(runId) ? new MemoryJournal() : new FileJournal(join(stateDir, stateKeys.journal(runId)));
}

/** @throws HoldfastError Internal before the product is put together */
function startBackup({ client }: { readonly client?: EmbeddedClient }, request: BackupRequest) {
  if (client) return client.startBackup(request);
  throw new HoldfastError('Internal', 'a backup was asked for before the product was there');
}

function snapshotParts(
  stateDir: string,
  { values: environment }: CredentialEnvironment,
  { volumes = new DataDirectorySnapshots(join(stateDir, 'snapshots')) }: Pick<EmbeddedOptions, 'volumes'>,
): Pick<LocalOptions, 'volumes' | 'watchdog'> {
  return { volumes, watchdog: new ForkLockWatchdog({ entry: watchdogEntry, args: [stateDir], environment }) };
}

/** The answers of workers, as the engine takes them. */
function tokenCallbacks(engine: { readonly executions?: EmbeddedExecutions }, logger: Logger): TaskCallbacks {
  // The engine checks a token at once; the port is asynchronous because Step Functions is.
  return {
    success: async (token, output) => {
      await Promise.resolve(engine.executions?.sendTaskSuccess(token, output));
    },
    failure: async (token, error, cause) => {
      const { message } = nameFailure({ Error: error, Cause: cause });
      if (error !== 'Cancelled') logger.warn('a worker ended without success', { name: error, reason: message });
      await Promise.resolve(engine.executions?.sendTaskFailure(token, error, cause));
    },
    heartbeat: async (token) => {
      try {
        await Promise.resolve(engine.executions?.sendTaskHeartbeat(token));
        return true;
      } catch (error) {
        if (error instanceof TaskTokenError) return false;
        throw error;
      }
    },
  };
}

/** A storage that can't be reached now must not keep the product from starting: whatever needs it will say so. */
async function sweepTemporaryFiles(
  settings: Settings,
  state: DirectoryObjectStore,
  storages: LocalStorages,
  logger: Logger,
): Promise<void> {
  // A bucket doesn't tell what is left from what is being written now: there, each run that is settled cleans up its own.
  const directories = Object.values(settings.storages).filter(({ type }) => type === 'directory');
  for (const store of [state, ...directories.map((storage) => storages.open(storage))]) {
    try {
      await store.discardUnfinished('');
    } catch (error) {
      logger.warn('temporary files could not be swept', { storage: store.description, reason: String(error) });
    }
  }
}
