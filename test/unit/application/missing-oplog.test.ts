import { describe, expect, test } from 'vitest';
import { explainGap, type MissingAtMember } from '../../../src/application/missing-oplog.ts';
import type { ArchiveProgress } from '../../../src/domain/oplog-archive.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';

const at = (t: number): OpTime => ({ ts: { t, i: 1 }, t: 3 });
const member = (more: Partial<MissingAtMember>): MissingAtMember => ({
  ...{ member: 'a:1', oldest: at(5000), majority: at(6000), memberData: 'rollback/sync' },
  ...more,
});
const progress = (checkedTo: number, memberData = 'rollback/sync'): ArchiveProgress => ({
  ...{ schemaVersion: 1, last: { key: 'k', size: 1, from: at(900), to: at(1000) }, checkedTo: at(checkedTo) },
  ...{ checkedAt: '2026-11-22T10:00:00.000Z', member: 'a:1', memberData },
});
const reason = (missing: MissingAtMember[], known?: ArchiveProgress) => explainGap(at(1000), missing, known).reason;

describe('why no member goes on from the last archived entry', () => {
  test('it was forgotten although the archiver ran, or because it did not run for more than fifteen minutes', () => {
    expect(reason([member({})], progress(5100))).toBe('rolledOver');
    expect(reason([member({})], progress(5099))).toBe('archivePaused');
    expect(reason([member({})], undefined)).toBe('archivePaused');
    expect(
      explainGap(at(1000), [member({}), member({ member: 'b:1', oldest: undefined })], progress(1000)).explanation,
    ).toBe(
      '1000:1 (term 3) was archived last; the oplog of a:1 begins at 5000:1 (term 3); the oplog of b:1 begins at nothing. The archiver looked last at 1000:1 (term 3), 5000 s before.',
    );
  });

  test('the storage lost what had been archived after it', () => {
    const known = progress(5100);
    const later = { ...known, last: { ...known.last, key: 'orders/x', to: at(1200) } };
    expect(explainGap(at(1000), [member({})], later)).toMatchObject({
      ...{ reason: 'objectLost', member: null, explanation: expect.stringContaining('orders/x') as string },
    });
  });

  test('a member reaches back beyond it: it was rolled back when its rollback id says so, else the history is another', () => {
    const reachingBack = member({ oldest: at(10), memberData: 'rollback2/sync' });
    expect(reason([reachingBack], progress(1000))).toBe('rolledBack');
    expect(reason([reachingBack], undefined)).toBe('otherHistory');
    expect(reason([{ ...reachingBack, memberData: 'rollback2/sync2' }], progress(1000))).toBe('otherHistory');
    expect(reason([{ ...reachingBack, member: 'b:1' }], progress(1000))).toBe('otherHistory');
    expect(reason([member({}), reachingBack], progress(1000))).toBe('rolledBack');
  });
});
