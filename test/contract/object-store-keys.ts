import { expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { bytes, chunks, type Get, keysOf, rejectsWith } from './object-store-probes.ts';

export function describeListing(store: Get): void {
  it('lists in the order of the bytes of the keys, with sizes', async () => {
    const keys = [
      'a',
      'a-b',
      'a.b',
      'a0',
      'b/a/1',
      'b/a/10',
      'b/a/2',
      'b/a-',
      'b0',
      'z/\u{ff5e}',
      'z/\u{1f600}',
      'z/é',
    ];
    const sorted = keys.map((key) => `list/${key}`).sort((x, y) => Buffer.compare(bytes(x), bytes(y)));
    for (const key of keys.toReversed()) await store().put(`list/${key}`, bytes(key));
    expect(await keysOf(store(), 'list/')).toEqual(sorted);
    for await (const object of store().list('list/'))
      expect(await store().head(object.key)).toMatchObject({ key: object.key, size: object.size });
  });

  it('says in a listing whether an object was written again', async () => {
    const versions = async () => {
      const found: (string | undefined)[] = [];
      for await (const { version } of store().list('versions/')) found.push(version);
      return found;
    };
    await store().put('versions/a', bytes('one'));
    await store().put('versions/b', bytes('one'));
    const [a, b] = await versions();
    expect(await versions()).toEqual([a, b]);
    expect(a).toBeTypeOf('string');
    await until('a listing tells the new version', async () => {
      await store().put('versions/a', bytes('two'));
      return (await versions())[0] === a ? undefined : true;
    });
    expect((await versions())[1]).toBe(b);
  });

  it.each([
    ['list/a', ['list/a', 'list/a-b', 'list/a.b', 'list/a0']],
    ['list/b', ['list/b/a-', 'list/b/a/1', 'list/b/a/10', 'list/b/a/2', 'list/b0']],
    ['list/b/a/1', ['list/b/a/1', 'list/b/a/10']],
    ['list/b/a/', ['list/b/a/1', 'list/b/a/10', 'list/b/a/2']],
    ['lis', undefined],
    ['list/none', []],
    ['nowhere/at/all/', []],
  ])('lists by the prefix %s, which need not be the border of a folder', async (prefix, expected) => {
    expect(await keysOf(store(), prefix)).toEqual(expected ?? (await keysOf(store(), 'list/')));
  });

  it('lists thousands, also while some of them are deleted', async () => {
    const keys = Array.from(
      { length: 2000 },
      (_, n) => `many/${String(n % 50).padStart(2, '0')}/${String(n).padStart(4, '0')}`,
    );
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => store().put(key, bytes('x'), { ifNoneMatch: '*' })));
    }
    expect(await keysOf(store(), 'many/')).toEqual(keys.toSorted());
    const borders = ['many/10/', 'many/10/', keys[0] ?? '', 'many/0', 'many/4', 'other', 'many/99', 'many/101', ''];
    const divided: string[] = [];
    for await (const object of store().list('many/', { dividedAt: borders })) divided.push(object.key);
    expect(divided).toEqual(keys.toSorted());
    const seen: string[] = [];
    for await (const object of store().list('many/')) {
      if (seen.length === 10) await store().delete(keys.filter((key) => key.startsWith('many/3')));
      seen.push(object.key);
    }
    const kept = keys.filter((key) => !key.startsWith('many/3')).toSorted();
    expect(seen.filter((key) => !key.startsWith('many/3'))).toEqual(kept);
    expect(await keysOf(store(), 'many/')).toEqual(kept);
    await store().delete(kept);
    expect(await keysOf(store(), 'many/')).toEqual([]);
  });
}

export function describeDeletion(store: Get): void {
  it('deletes what is there, and counts what is not as deleted', async () => {
    await store().put('delete/a/1', bytes('1'));
    await store().put('delete/a/2', bytes('2'));
    await store().delete(['delete/a/1', 'delete/none', 'delete/none/deeper']);
    expect(await keysOf(store(), 'delete/')).toEqual(['delete/a/2']);
    await store().delete([]);
    await store().delete(['delete/a/2', 'delete/a/2']);
    expect(await keysOf(store(), 'delete/')).toEqual([]);
  });

  it('lets writers into a folder that deleters empty at the same time', async () => {
    const work = Array.from({ length: 8 }, async (_, n) => {
      for (let i = 0; i < 25; i++) {
        await store().put(`churn/deep/folder/${n}`, bytes(String(i)), { ifNoneMatch: '*' });
        await store().delete([`churn/deep/folder/${n}`]);
      }
    });
    await Promise.all(work);
    expect(await keysOf(store(), 'churn/')).toEqual([]);
  });
}

export function describeKeys(store: Get): void {
  const long = 'x'.repeat(256);
  const bad = ['', '/a', 'a/', 'a//b', '.', '..', 'a/../b', '../a', './a', 'a/.', 'a\0b', 'a\nb', 'a/\u007f', long, `a/${long}/b`, 'é'.repeat(128), '\ud800', `${'y/'.repeat(600)}z`]; // prettier-ignore
  it.each(bad)('refuses the key %j everywhere', async (key) => {
    const calls = [
      store().put(key, bytes('x')),
      store().putStream(key, chunks(bytes('x'))),
      store().get(key),
      store().getRange(key, 0, 1),
      store().head(key),
      store().checksum(key),
      store().delete(['fine', key]),
    ];
    for (const call of calls) await rejectsWith(call, 'InvalidInput');
  });

  it.each(['/', '/a', '../', 'a/../', 'a//', 'a\0'])('refuses the prefix %j', async (prefix) => {
    await rejectsWith(keysOf(store(), prefix), 'InvalidInput');
  });

  it.each(['a b', 'ä/ö', '..a/b..', 'x'.repeat(255), '-rf', '%2e%2e', 'a\\b', '~', '*', '🦊'])(
    'takes the key %j',
    async (key) => {
      await store().put(`fine/${key}`, bytes(key));
      expect((await store().get(`fine/${key}`)).body.toString()).toBe(key);
      expect(await keysOf(store(), `fine/${key}`)).toEqual([`fine/${key}`]);
    },
  );
}
