import type { OplogGap } from './oplog-archive.ts';

const reasons: Readonly<Record<OplogGap['reason'], string>> = {
  rolledOver: 'the oplog had forgotten entries before they were archived',
  rolledBack: 'entries that were archived were rolled back',
  otherHistory: 'the set went on with another history',
  featureCompatibilityVersionChanged: 'the feature compatibility version was changed',
  archivePaused: 'the archive was off or its archiver did not run',
  resharding: 'a collection was resharded',
  restore: 'the deployment was restored into',
  objectLost: 'a slice is missing or damaged in the storage',
};

/** Why nothing leads over a hole of the window, for people: what was recorded, each reason once. */
export function describeGaps(gaps: readonly Pick<OplogGap, 'reason'>[]): string {
  if (gaps.length === 0) return 'no slices of the archive lead on from the backups before it';
  return [...new Set(gaps.map(({ reason }) => reasons[reason]))].join('; ');
}
