import { describe, expect, it } from 'vitest';
import { isDataPath, requireDataPath, whyLeftOut } from '../../../src/domain/data-files.ts';
import { encryptionSign } from '../../../src/domain/data-layout.ts';

describe('which files of a data directory belong to a backup', () => {
  it.each([
    ...['WiredTiger', 'WiredTiger.wt', 'WiredTiger.turtle', 'WiredTiger.backup', 'WiredTigerHS.wt', 'storage.bson'],
    ...['_mdb_catalog.wt', 'sizeStorer.wt', 'collection-0--62.wt', 'index-1--62.wt'],
    ...['journal/WiredTigerLog.0000000001', 'shop/collection-38--62.wt', 'shop/collection/38--62.wt'],
    ...['a file that no version has yet', 'shop/mongod.lock', 'shop/_tmp'],
  ])('%s does', (path) => {
    expect(whyLeftOut(path, 'file')).toBeUndefined();
  });

  it.each([
    ...['mongod.lock', 'WiredTiger.lock', 'diagnostic.data/metrics.2026-11-22T19-30-54Z-00000', '_tmp/extsort.0'],
    ...['rollback/shop.orders/removed.bson', 'journal/WiredTigerPreplog.0000000001', 'journal/WiredTigerTmplog.7'],
    ...['mongodb-27017.sock', 'lost+found/x', 'HOLDFAST_INCOMPLETE'],
  ])('%s never does', (path) => {
    expect(whyLeftOut(path, 'file')).toBeTypeOf('string');
  });

  it('nor does what is neither file nor directory, whatever it is called', () => {
    expect(whyLeftOut('collection-0.wt', 'other')).toMatch(/socket/);
    expect(whyLeftOut('diagnostic.data', 'directory')).toBeTypeOf('string');
    expect(whyLeftOut('journal', 'directory')).toBeUndefined();
  });
});

describe('paths', () => {
  it.each([
    '../etc/passwd',
    'a/../../b',
    '/etc/passwd',
    'a//b',
    './a',
    'a/.',
    '',
    'a\0b',
    'a\nb',
    'a\\..\\b',
    'a/\uFFFD',
  ])('%j is refused', (path) => {
    expect(isDataPath(path)).toBe(false);
    expect(() => {
      requireDataPath(path, 'db1:27017');
    }).toThrow(expect.objectContaining({ name: 'VolumeLayoutUnsupported' }));
  });

  it.each(['WiredTiger.wt', 'übung/collection-0.wt', '..a/b..', 'a b/c'])('%j is taken', (path) => {
    expect(isDataPath(path)).toBe(true);
    requireDataPath(path, 'db1:27017');
  });
});

describe('encryption at rest', () => {
  const turtle = (encryption: string) => `file:WiredTiger.wt\naccess_pattern_hint=none,${encryption},format=btree\n`;

  it('shows in the metadata of WiredTiger, and in the stores of keys', () => {
    expect(encryptionSign([], turtle('encryption=(keyid=,name=AES256-CBC)'))).toMatch(/AES256-CBC/);
    expect(encryptionSign(['key.db/WiredTiger'], turtle('encryption=(keyid=,name=)'))).toMatch(/key\.db/);
  });

  it('does not show where there is none', () => {
    expect(
      encryptionSign(['WiredTiger.wt', 'keys/collection-0.wt'], turtle('encryption=(keyid=,name=)')),
    ).toBeUndefined();
  });
});
