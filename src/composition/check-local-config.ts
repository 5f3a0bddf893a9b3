import { join } from 'node:path';
import { DataDirectorySnapshots } from '../adapters/directory/data-directory-snapshots.ts';
import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { MongoDeploymentInspector } from '../adapters/mongodb/inspect-deployment.ts';
import { checkConfig, type ConfigReport } from '../application/use-cases/check-config.ts';
import type { Settings } from '../domain/settings.ts';
import { LocalStorages } from './local-storages.ts';
import { makeOpenMember } from './open-member.ts';

/** Tries what a config names, from this machine: storages, deployments, privileges, member choice, volumes. Starts no run. */
export async function checkLocalConfig(settings: Settings, signal?: AbortSignal): Promise<ConfigReport> {
  const storages = new LocalStorages();
  const state = new DirectoryObjectStore({
    root: settings.stateDir,
    description: `state directory ${settings.stateDir}`,
  });
  try {
    const deps = {
      inspector: new MongoDeploymentInspector(),
      volumes: new DataDirectorySnapshots(join(settings.stateDir, 'snapshots')),
      openMember: makeOpenMember(),
      openStorage: storages.open.bind(storages),
      state,
    };
    return await checkConfig(settings, deps, signal);
  } finally {
    await storages.close();
    await state.close();
  }
}
