import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { bytes, chunks, keysOf, rejectsWith } from '../contract/object-store-probes.ts';

const script = join(import.meta.dirname, '../support/storage-process.ts');
let root: string;
let store: DirectoryObjectStore;
const children = new Set<ChildProcessByStdio<Writable, Readable, null>>();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-faults-'));
  store = new DirectoryObjectStore({ root });
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await store.close();
  await rm(root, { recursive: true });
});

/** @param prefix a command that runs the storage process */
function start(args: readonly string[], prefix: readonly string[] = []) {
  const [file = '', ...rest] = [...prefix, process.execPath, script, ...args];
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const said: unknown[] = [];
  const lines = createInterface(child.stdout).on('line', (line) => said.push(JSON.parse(line)));
  let over = false;
  const closed = once(lines, 'close').then(() => (over = true));
  const exited = once(child, 'exit').then(() => children.delete(child));
  const heard = async (count: number) => {
    while (said.length < count && !over) await Promise.race([once(lines, 'line'), closed]);
    expect(said.length, 'lines that the process said before it ended').toBeGreaterThanOrEqual(count);
  };
  return { child, said, heard, ended: Promise.all([exited, closed]) };
}

/** Starts them all, lets them go together when each is ready, and waits for their ends. @returns what each said after `ready` */
async function runTogether(processes: ReturnType<typeof start>[]): Promise<unknown[][]> {
  await Promise.all(processes.map((one) => one.heard(1)));
  for (const { child } of processes) child.stdin.write('go\n');
  await Promise.all(processes.map((one) => one.ended));
  return processes.map((one) => one.said.slice(1));
}

describe('twenty processes on one directory', () => {
  it('lets one of them create an object, and loses no increment of a counter', async () => {
    await store.put('lease/counter', bytes('0'));
    const processes = Array.from({ length: 20 }, (_, n) => start([root, 'contend', `body ${n}`, '10']));
    const results = (await runTogether(processes)).map(([result]) => result);
    expect(results.filter((result) => result === 'won')).toHaveLength(1);
    expect(results.filter((result) => (result as { name?: string }).name === 'ObjectExists')).toHaveLength(19);
    expect((await store.get('lease/one')).body.toString()).toBe(`body ${results.indexOf('won')}`);
    expect((await store.get('lease/counter')).body.toString()).toBe('200');
  });
});

describe('a killed writer', () => {
  it('leaves whole objects only, a free lock, the confirmed increments, and temporary files for the next to remove', async () => {
    await store.put('counter', bytes('0'));
    let confirmed = 0;
    const rounds = 6;
    for (let round = 0; round < rounds; round++) {
      const survivor = start([root, 'write']);
      const victim = start([root, 'write']);
      await Promise.all([survivor.heard(2), victim.heard(2)]);
      // The instant of the kill is what is random here, not a wait for a condition.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      victim.child.kill('SIGKILL');
      await victim.ended;
      const before = survivor.said.length;
      await survivor.heard(before + 2);
      survivor.child.kill('SIGKILL');
      await survivor.ended;
      confirmed += victim.said.length + survivor.said.length;
    }
    const counted = Number((await store.get('counter')).body.toString());
    expect(counted).toBeGreaterThanOrEqual(confirmed);
    // Each killed process may have been between its increment and the line that confirms it.
    expect(counted).toBeLessThanOrEqual(confirmed + 2 * rounds);
    let seen = 0;
    for await (const { key } of store.list('')) {
      if (key === 'counter') continue;
      const { body } = await store.get(key);
      const digest = createHash('sha256').update(body.subarray(0, -32)).digest();
      expect(digest.equals(body.subarray(-32)), `${key} is whole`).toBe(true);
      seen++;
    }
    expect(seen).toBeGreaterThan(rounds);
    await store.discardUnfinished('');
    expect(await readdir(join(root, '.holdfast-store/partial'))).toHaveLength(1);
  });

  it('loses its temporary files to the next writer, while those of a live one stay', async () => {
    const live = new DirectoryObjectStore({ root });
    const reached = Promise.withResolvers<undefined>();
    const proceed = Promise.withResolvers<undefined>();
    const writing = live.putStream(
      'slow/object',
      (async function* () {
        yield bytes('first ');
        reached.resolve(undefined);
        await proceed.promise;
        yield bytes('second');
      })(),
    );
    await reached.promise;
    await live.put('counter', bytes('0'));
    const killed = start([root, 'write']);
    await killed.heard(1);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const partial = join(root, '.holdfast-store/partial');
    expect(await readdir(partial)).toHaveLength(2);
    expect(await keysOf(store, '.hold')).toEqual([]);
    await store.put('next/object', bytes('x'));
    expect(await readdir(partial)).toHaveLength(2);
    expect(await store.discardUnfinished('')).toBe(0);
    proceed.resolve(undefined);
    expect((await writing).size).toBe(12);
    await live.close();
  });
});

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;
/** Runs a command with `mounting` done before in a mount namespace of its own. */
const mounted = (mounting: string) => ['unshare', '-rm', 'sh', '-c', `${mounting} && exec "$@"`, 'sh'];
const named = (name: string) => expect.objectContaining({ name }) as unknown;

describe('a full disk', () => {
  it.runIf(canMount)('is StorageFull, leaves nothing, and takes what still fits', async () => {
    const disk = join(root, 'disk');
    await mkdir(disk);
    const look = `mount -t tmpfs -o size=2m tmpfs ${disk} && "$@"; find ${disk} -type f -size +0 > ${root}/left`;
    const filler = start([join(disk, 'storage'), 'fill', '4000000'], ['unshare', '-rm', 'sh', '-c', look, 'sh']);
    const [[streamed, put, small] = []] = await runTogether([filler]);
    expect(streamed).toMatchObject({ name: 'StorageFull', message: expect.stringContaining('ENOSPC') as unknown });
    expect(put).toEqual(named('StorageFull'));
    expect(small).toBe('won');
    const left = await readFile(join(root, 'left'), 'utf8');
    expect(left.trim().split('\n')).toEqual([join(disk, 'storage/full/small')]);
  });

  it('is StorageFull where a limit of file sizes stands for it', async () => {
    const limited = start([root, 'fill', '4000000'], ['sh', '-c', 'ulimit -f 512 && exec "$@"', 'sh']);
    const [[streamed, put, small] = []] = await runTogether([limited]);
    expect(streamed).toMatchObject({
      name: 'StorageFull',
      message: expect.stringContaining('full/streamed') as unknown,
    });
    expect(put).toEqual(named('StorageFull'));
    expect(small).toBe('won');
    expect(await keysOf(store)).toEqual(['full/small']);
    await store.discardUnfinished('');
    expect(existsSync(join(root, '.holdfast-store/partial'))).toBe(true);
  });
});

describe('a directory that may not be written', () => {
  const denied = [named('StorageAccessDenied'), named('StorageAccessDenied'), named('StorageAccessDenied')];

  it('is StorageAccessDenied by its mode', async () => {
    const [results] = await runTogether([start([join(root, 'storage'), 'fill', '100', 'as-nobody'])]);
    expect(results).toEqual(denied);
  });

  it.runIf(canMount)('is StorageAccessDenied by a read-only mount, which can still be read', async () => {
    await store.put('old/object', bytes('readable'));
    const [results] = await runTogether([
      start([root, 'fill', '100'], mounted(`mount --bind ${root} ${root} && mount -o remount,bind,ro ${root}`)),
    ]);
    expect(results).toEqual(denied);
    expect(results?.[0]).toMatchObject({ message: expect.stringContaining('EROFS') as unknown });
  });

  it('is StorageAccessDenied where no folder can be made, instead of trying for ever', async () => {
    const wrong = new DirectoryObjectStore({ root: '/proc/holdfast/storage' });
    await rejectsWith(wrong.put('a', bytes('x')), 'StorageAccessDenied');
    await rejectsWith(wrong.putStream('a', chunks(bytes('x'))), 'StorageAccessDenied');
  });

  it('is StorageAccessDenied when it is a file, for every operation', async () => {
    await writeFile(join(root, 'file'), 'not a directory');
    const wrong = new DirectoryObjectStore({ root: join(root, 'file') });
    const calls = [
      () => wrong.put('a', bytes('x')),
      () => wrong.putStream('a', chunks(bytes('x'))),
      () => wrong.get('a'),
      () => wrong.head('a'),
      () => wrong.checksum('a'),
      () => keysOf(wrong),
      () => wrong.delete(['a']),
    ];
    for (const call of calls) await rejectsWith(call(), 'StorageAccessDenied');
  });
});

it('keeps everything to its owner, whatever the umask', async () => {
  const own = new DirectoryObjectStore({ root: join(root, 'new') });
  await own.put('a/b', bytes('x'));
  await own.putStream('c/d', chunks(bytes('y')));
  const entries = await readdir(join(root, 'new'), { recursive: true, withFileTypes: true });
  const modes = entries.map(async (entry) => {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    return `${entry.isDirectory() ? 'folder' : 'file'} ${(mode & 0o777).toString(8)}`;
  });
  await own.close();
  expect(new Set(await Promise.all(modes))).toEqual(new Set(['folder 700', 'file 600']));
  expect((await stat(join(root, 'new'))).mode & 0o777).toBe(0o700);
});

describe('what lies in the directory beside objects', () => {
  it('never lets a key lead out of it by a symbolic link, or be one', async () => {
    const outside = join(root, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    const inside = new DirectoryObjectStore({ root: join(root, 'inside') });
    await inside.put('real/object', bytes('x'));
    await symlink(outside, join(root, 'inside/link'));
    await symlink(join(outside, 'secret'), join(root, 'inside/real/alias'));
    await rejectsWith(inside.put('link/new', bytes('x'), { ifNoneMatch: '*' }), 'StorageAccessDenied');
    await rejectsWith(inside.put('link/deep/new', bytes('x')), 'StorageAccessDenied');
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await keysOf(inside)).toEqual(['real/object']);
    expect(await inside.head('real/alias')).toBeUndefined();
    await rejectsWith(inside.get('real/alias'), 'StorageAccessDenied');
    await rejectsWith(inside.get('link/secret'), 'StorageAccessDenied');
    await inside.delete(['real/object']);
    await inside.close();
  });

  it('refuses a key that is the folder of another, and its own folder', async () => {
    await store.put('a/b', bytes('x'));
    await rejectsWith(store.put('a', bytes('x')), 'InvalidInput');
    await rejectsWith(store.put('a', bytes('x'), { ifNoneMatch: '*' }), 'InvalidInput');
    await rejectsWith(store.put('a/b/c', bytes('x')), 'InvalidInput');
    await rejectsWith(store.put('.holdfast-store/lock', bytes('x')), 'InvalidInput');
    expect(await store.head('a')).toBeUndefined();
    await rejectsWith(store.get('a/b/c'), 'ObjectNotFound');
    await store.delete(['a', 'a/b/c']);
    expect(await keysOf(store)).toEqual(['a/b']);
  });

  it('removes folders that deletion empties', async () => {
    await store.put('a/b/c/d', bytes('x'));
    await store.put('a/e', bytes('x'));
    await store.delete(['a/b/c/d']);
    expect(await readdir(join(root, 'a'))).toEqual(['e']);
    await store.delete(['a/e']);
    expect(existsSync(join(root, 'a'))).toBe(false);
    expect(existsSync(root)).toBe(true);
  });
});
