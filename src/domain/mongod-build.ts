/** MongoDB's own download site for Linux. */
export const mongodDownloads = 'https://fastdl.mongodb.org/linux';

export type MongodArchitecture = 'arm64' | 'x86_64';

/** What MongoDB calls its build of a server version for Ubuntu 22.04: the tarball is `NAME.tgz`, its checksum `NAME.tgz.sha256`. */
export function mongodBuild(version: string, architecture: MongodArchitecture): string {
  return `mongodb-linux-${architecture === 'arm64' ? 'aarch64' : 'x86_64'}-ubuntu2204-${version}`;
}
