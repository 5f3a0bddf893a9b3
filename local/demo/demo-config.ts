import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { DemoSource } from './demo-source.ts';

export interface DemoConfig {
  readonly configPath: string;
  readonly stateDir: string;
}

/** The config file as a user would write it. @param storage as it stands under `storages` */
export async function writeConfig(
  directory: string,
  { set, credentialsFile }: DemoSource,
  storage: object,
): Promise<DemoConfig> {
  const stateDir = join(directory, 'state');
  const configPath = join(directory, 'holdfast.config.yaml');
  const config = {
    stateDir,
    storages: { demo: storage },
    deployments: { shop: { uri: set.uri, credentials: { file: credentialsFile } } },
  };
  await writeFile(configPath, stringify(config));
  return { configPath, stateDir };
}
