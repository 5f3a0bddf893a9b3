import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePort } from '../../local/servers/free-port.ts';
import { cacheDirectory } from '../../local/servers/mongod-cache.ts';
import { until } from '../../local/servers/poll.ts';
import { forgetProcess, makeOwnDirectory, removeOwnDirectory, watchProcess } from '../../local/servers/reaper.ts';

/** versitygw: an S3 server in Go that checks signatures and checksums as S3 does. Objects are files of a directory. */

const version = '1.7.0';
const module = `github.com/versity/versitygw/cmd/versitygw@v${version}`;

/** The binary of the project's cache, built by Go when it is not there. @returns why it can't be had, where it can't */
export async function findVersitygw(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const path = join(cacheDirectory(), 'versitygw', version, 'versitygw');
  if (existsSync(path)) return { path };
  const working = `${path}.building-${randomBytes(6).toString('hex')}`;
  await mkdir(working, { recursive: true });
  try {
    await promisify(execFile)('go', ['install', module], { env: { ...process.env, GOBIN: working }, timeout: 900_000 });
    await rename(join(working, 'versitygw'), path);
    return { path };
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') return { reason: 'Go is not installed' };
    return { reason: `go install failed: ${(stderr ?? message).trim().split('\n').at(-1) ?? ''}` };
  } finally {
    await rm(working, { recursive: true, force: true });
  }
}

export interface Versitygw {
  readonly endpoint: string;
  readonly key: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where the objects of a bucket lie as files, by their keys. */
  readonly folder: (bucket: string) => string;
  stop(): Promise<void>;
}

export async function startVersitygw(path: string): Promise<Versitygw> {
  const directory = await makeOwnDirectory('versitygw');
  const root = join(directory, 'objects');
  const versions = join(directory, 'versions');
  await Promise.all([root, versions].map((folder) => mkdir(folder)));
  const key = { accessKeyId: randomBytes(8).toString('hex'), secretAccessKey: randomBytes(16).toString('hex') };
  const port = await findFreePort();
  const env = { ROOT_ACCESS_KEY: key.accessKeyId, ROOT_SECRET_KEY: key.secretAccessKey };
  const args = [`--port=127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', `--versioning-dir=${versions}`, root];
  const child = spawn(path, args, { env, stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  if (child.pid !== undefined) watchProcess(child.pid);
  child.unref();
  const endpoint = `http://127.0.0.1:${port}`;
  await until('versitygw answers', () =>
    fetch(endpoint).then(
      () => true,
      () => undefined,
    ),
  );
  return {
    endpoint,
    key,
    folder: (bucket) => join(root, bucket),
    async stop() {
      if (child.pid !== undefined) forgetProcess(child.pid);
      child.ref();
      child.kill('SIGKILL');
      await ended;
      await removeOwnDirectory(directory);
    },
  };
}
