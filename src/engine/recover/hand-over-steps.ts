import type { Manifest } from '../../domain/manifest.ts';
import { releaseSeries } from '../../domain/server-version.ts';

/** Quoted for a shell, where it must be. */
const quote = (text: string): string => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What remains when the files of a directory are ready, as commands where it is one. */
export function describeSteps(
  directory: string,
  { serverVersion, kind }: Pick<Manifest, 'serverVersion' | 'kind'>,
  layout: readonly string[],
): string[] {
  const place = [`--dbpath ${quote(directory)}`, ...layout].join(' ');
  const start = `Start mongod ${releaseSeries(serverVersion)} (${serverVersion} or later) on them`;
  const asSet = [
    `${start} as a new replica set: mongod ${place} --replSet NAME`,
    'Initiate it, in mongosh on that server: rs.initiate()',
    'Add the other members, with empty data directories: rs.add("HOST:PORT")',
  ];
  return [
    `Give the files to the user that runs mongod: chown -R mongodb:mongodb ${quote(directory)}`,
    ...(kind === 'standalone' ? [`${start}: mongod ${place}`] : asSet),
    'What has expired since the restore time is deleted soon after the start; to look at it first, start with --setParameter ttlMonitorEnabled=false',
    "Users and roles are the source's.",
  ];
}
