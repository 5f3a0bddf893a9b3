import { HoldfastError } from './errors.ts';

/**
 * The server versions that are supported: those on which the replay suite has passed (consistency rule 15). The feature
 * compatibility version counts as the server's: it decides the format of the oplog (ADR 0011).
 */
export const supportedServerVersions: readonly string[] = ['6.0'];

/** `6.0` of `6.0.5`. */
export function releaseSeries(version: string): string {
  return version.split('.', 2).join('.');
}

/**
 * @param where host:port, for the message.
 * @throws UnsupportedVersion
 */
export function requireSupportedVersion(where: string, version: string, featureCompatibilityVersion: string): void {
  const supported = supportedServerVersions.join(', ');
  if (!supportedServerVersions.includes(releaseSeries(version))) {
    throw new HoldfastError(
      'UnsupportedVersion',
      `${where} runs MongoDB ${version}; this release has proved its restores on ${supported} only.`,
    );
  }
  if (featureCompatibilityVersion !== releaseSeries(version)) {
    throw new HoldfastError(
      'UnsupportedVersion',
      `${where} runs MongoDB ${version} with feature compatibility version ${featureCompatibilityVersion}.`,
      { next: `Finish the upgrade (setFeatureCompatibilityVersion "${releaseSeries(version)}"), then back up.` },
    );
  }
}

/**
 * Which mongod reads the files that another one wrote: of the same release series, and not an older one of it. The
 * feature compatibility version is the series' own (see above), so that nothing else decides.
 */
export function readsFilesOf(mongodVersion: string, serverVersion: string): boolean {
  const patch = (version: string) => Number.parseInt(version.split('.')[2] ?? '0', 10);
  return releaseSeries(mongodVersion) === releaseSeries(serverVersion) && patch(mongodVersion) >= patch(serverVersion);
}

/**
 * The mongod that files of a server are recovered with, of those that there are images of: the oldest that reads them.
 * @throws MongodUnavailable naming the one that is needed
 */
export function chooseMongod(images: readonly string[], serverVersion: string): string {
  const patch = (version: string) => Number.parseInt(version.split('.')[2] ?? '0', 10);
  const [chosen] = images.filter((version) => readsFilesOf(version, serverVersion)).sort((a, b) => patch(a) - patch(b));
  if (chosen !== undefined) return chosen;
  const series = releaseSeries(serverVersion);
  const has = images.length === 0 ? 'no image with a mongod' : `images with mongod ${images.join(', ')}`;
  throw new HoldfastError(
    'MongodUnavailable',
    `The backup is of MongoDB ${serverVersion}: mongod ${serverVersion} or a later ${series} is needed; the stage has ${has}.`,
    { next: `Set mongodbVersion: ${serverVersion} for the deployment in the config, and deploy the stage again.` },
  );
}
