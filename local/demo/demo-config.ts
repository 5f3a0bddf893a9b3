import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { DemoSource } from './demo-source.ts';

export interface DemoConfig {
  readonly configPath: string;
  readonly stateDir: string;
}

/** The config file as a user would write it. */
export async function writeConfig(directory: string, { set, credentialsFile }: DemoSource): Promise<DemoConfig> {
  const stateDir = join(directory, 'state');
  const configPath = join(directory, 'holdfast.config.yaml');
  const config = {
    stateDir,
    storages: { laptop: { type: 'directory', path: join(directory, 'backups') } },
    deployments: { shop: { uri: set.uri, credentials: { file: credentialsFile } } },
  };
  await writeFile(configPath, stringify(config));
  return { configPath, stateDir };
}
