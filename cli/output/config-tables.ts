import type { Settings } from '../../src/domain/settings.ts';
import { printable } from './printable.ts';
import { renderTable } from './tables.ts';

/** What a config file that is right says, after defaults. */
export function renderSettings(path: string, settings: Settings): string {
  const deployments = Object.values(settings.deployments);
  const table = renderTable(
    ['deployment', 'uri', 'method', 'storage'],
    deployments.map(({ name, uri, method, storage }) => [
      name,
      uri,
      method ?? 'chosen by rule',
      `${storage}: ${settings.storages[storage]?.path ?? ''}`,
    ]),
  );
  return `${printable(path)} is right.\n${table}`;
}
