import { HoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import { type BackupPlan, backupPlanSchema, type Outcome, outcomeSchema } from '../domain/run.ts';
import { type DeploymentSettings, type Settings, settingsSchema, type StorageSettings } from '../domain/settings.ts';
import { createOrReadDocument, findDocument, readDocument } from './documents.ts';
import type { ObjectStore } from './ports/object-store.ts';

/** Opens a storage of the config: the adapter by its type. */
export type OpenStorage = (settings: StorageSettings) => ObjectStore;

/** The config that the run began with: copied by its first state, and the only one that later states read. */
export function adoptConfig(state: ObjectStore, runId: string, settings: Settings): Promise<Settings> {
  return createOrReadDocument(state, stateKeys.runConfig(runId), settingsSchema, settings);
}

export function readConfig(state: ObjectStore, runId: string): Promise<Settings> {
  return readDocument(state, stateKeys.runConfig(runId), settingsSchema);
}

export function readBackupPlan(state: ObjectStore, runId: string): Promise<BackupPlan> {
  return readDocument(state, stateKeys.plan(runId), backupPlanSchema);
}

/** @throws UnknownDeployment */
export function deploymentOf(settings: Settings, name: string): DeploymentSettings {
  const found = Object.hasOwn(settings.deployments, name) ? settings.deployments[name] : undefined;
  if (found) return found;
  const names = Object.keys(settings.deployments).join(', ');
  throw new HoldfastError('UnknownDeployment', `no deployment "${name}" is configured; there is ${names || 'none'}`);
}

/** @throws UnknownStorage */
export function storageOf(settings: Settings, name: string): StorageSettings {
  const found = Object.hasOwn(settings.storages, name) ? settings.storages[name] : undefined;
  if (found) return found;
  const names = Object.keys(settings.storages).join(', ');
  throw new HoldfastError('UnknownStorage', `no storage "${name}" is configured; there is ${names || 'none'}`);
}

export function readOutcome(state: ObjectStore, runId: string): Promise<Outcome | undefined> {
  return findDocument(state, stateKeys.outcome(runId), outcomeSchema);
}

/** Consistency rule 23: created once, by exactly one of complete, failure and sweep. @returns the outcome that stands. */
export function decideOutcome(state: ObjectStore, runId: string, outcome: Outcome): Promise<Outcome> {
  return createOrReadDocument(state, stateKeys.outcome(runId), outcomeSchema, outcome);
}

export async function isCancelRequested(state: ObjectStore, runId: string): Promise<boolean> {
  return (await state.head(stateKeys.cancel(runId))) !== undefined;
}

/**
 * What every state but the clean-up does first: a run that is over, or that was asked to stop, goes no further.
 * @throws Cancelled
 */
export async function refuseWhenCancelled(state: ObjectStore, runId: string): Promise<void> {
  const outcome = await readOutcome(state, runId);
  if (outcome !== undefined && outcome.status !== 'completed') {
    throw new HoldfastError('Cancelled', `the run is over: its outcome is ${outcome.status}`);
  }
  if (outcome === undefined && (await isCancelRequested(state, runId))) {
    throw new HoldfastError('Cancelled', 'the run was asked to stop');
  }
}
