import type { BackupSummary } from '../../src/application/ports/holdfast-client.ts';
import type { Manifest, ManifestPart } from '../../src/domain/manifest.ts';
import { isPhysicalPart } from '../../src/domain/manifest-parts.ts';
import { formatTimestamp, timestampToDate, type Timestamp } from '../../src/domain/timestamp.ts';
import { renderFacts, renderTable } from './tables.ts';
import { formatBytes, formatCount, formatMoment, formatRate, formatSeconds, formatUtc, momentLines } from './units.ts';

function restoreTimeLines(restoreTime: Timestamp | null, timeZone?: string): readonly string[] {
  return restoreTime === null ? ['–'] : momentLines(timestampToDate(restoreTime), timeZone);
}

/** What is in the storages, in the order given. */
export function renderBackupList(backups: readonly BackupSummary[], timeZone?: string): string {
  if (backups.length === 0) return 'No backups. Take one with `holdfast backup`.';
  return renderTable(
    ['backup', 'deployment', 'method', 'restores to', 'documents', 'data', 'stored', 'storage', 'warnings'],
    backups.map((backup) => [
      backup.backupId,
      backup.deployment,
      backup.method,
      restoreTimeLines(backup.restoreTime, timeZone),
      backup.documents === null ? '–' : formatCount(backup.documents),
      formatBytes(backup.rawBytes),
      formatBytes(backup.storedBytes),
      backup.storage,
      String(backup.warnings),
    ]),
  );
}

function labelsOf(labels: Manifest['labels']): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

/** The manifest for people: what, when, how and why so; then each part with its members. */
export function renderBackup(manifest: Manifest, timeZone?: string): string {
  const { totals, restoreTime } = manifest;
  const facts: [string, string][] = [
    ['backup', manifest.backupId],
    ['deployment', `${manifest.deployment} (${manifest.kind})`],
    ['method', `${manifest.method}: ${manifest.methodReason}`],
    ['restores to', restoreTimeLines(restoreTime, timeZone).join(' / ')],
    ...(restoreTime === null ? [] : [['timestamp', formatTimestamp(restoreTime)] as [string, string]]),
    ['taken', `${formatMoment(new Date(manifest.createdAt), timeZone)}, in ${formatSeconds(totals.seconds)}`],
    ['data', `${contents(manifest)}${formatBytes(totals.rawBytes)}`],
    ['stored', `${formatBytes(totals.storedBytes)} in ${manifest.storage}${ratio(totals)}`],
    ...lockFacts(manifest, timeZone),
    ['oplog', `${formatCount(totals.oplogEntries)} ${totals.oplogEntries === 1 ? 'entry' : 'entries'}`],
    ['users and roles', manifest.usersAndRoles ? 'included' : 'not included'],
    ['server', `${manifest.serverVersion}, feature compatibility version ${manifest.featureCompatibilityVersion}`],
    ['asked by', manifest.requestedBy],
    ...(Object.keys(manifest.labels).length === 0 ? [] : [['labels', labelsOf(manifest.labels)] as [string, string]]),
    ['run', manifest.run],
    ['warnings', manifest.warnings.length === 0 ? 'none' : manifest.warnings.join('; ')],
  ];
  return [renderFacts(facts), ...manifest.parts.map((part) => renderPart(part))].join('\n\n');
}

function lockFacts({ objectLock }: Manifest, timeZone?: string): [string, string][] {
  if (objectLock === undefined) return [];
  return [['locked', `until ${formatMoment(new Date(objectLock.until), timeZone)} (${objectLock.mode})`]];
}

/** Files are not opened: nobody has counted what is in them. */
function contents({ totals: { documents, namespaces }, parts }: Manifest): string {
  if (documents !== null && namespaces !== null)
    return `${formatCount(documents)} documents in ${formatCount(namespaces)} collections and views, `;
  const files = parts.filter(isPhysicalPart).reduce((sum, { base }) => sum + base.files, 0);
  return files === 0 ? '' : `${formatCount(files)} files, `;
}

function ratio(totals: Manifest['totals']): string {
  return totals.rawBytes === 0 ? '' : `, ${((100 * totals.storedBytes) / totals.rawBytes).toFixed(1)} % of the data`;
}

function renderPart(part: ManifestPart): string {
  const seconds = (Date.parse(part.base.finishedAt) - Date.parse(part.base.startedAt)) / 1000;
  const rate = seconds > 0 ? `, ${formatRate(part.base.rawBytes / seconds)}` : '';
  const facts = renderFacts([
    ['part', part.name],
    ['read from', `${part.member}: ${part.memberReason}`],
    [
      'base',
      `${formatBytes(part.base.rawBytes)} in ${formatSeconds(seconds)}${rate}, ${part.base.method === 'snapshot' ? 'kept as a snapshot' : part.base.codec}`,
    ],
    ...snapshotFacts(part),
    ['oplog', part.oplog ? `${formatTimestamp(part.oplog.from.ts)} to ${formatTimestamp(part.oplog.to.ts)}` : 'none'],
  ]);
  const verdicts = part.memberVerdicts.map(({ host, eligible, reason }) => [host, eligible ? 'yes' : 'no', reason]);
  return `${facts}\n${renderTable(['member', 'could be read', 'why'], verdicts)}`;
}

/** How the files were made to hold still, and what that cost whoever wrote to the member. */
function snapshotFacts({ base }: ManifestPart): [string, string][] {
  if (base.method === 'logical') return [];
  const { consistency, lockSeconds, takenAt } = base.snapshot;
  const how =
    consistency === 'crash'
      ? 'at one instant, nothing locked'
      : `with the member locked against writes for ${formatSeconds(lockSeconds ?? 0)}`;
  return [['snapshot', `${formatUtc(new Date(takenAt))}, ${how}`]];
}

/** Every collection and view of a backup. */
export function renderCollections(manifest: Manifest): string {
  const namespaces = manifest.parts.flatMap(({ base }) => (base.method === 'logical' ? base.namespaces : []));
  return renderTable(
    ['collection', 'type', 'documents', 'data', 'indexes'],
    namespaces.map(({ ns, type, documents, rawBytes, indexes }) => [
      ns,
      type,
      documents === null ? '–' : formatCount(documents),
      rawBytes === null ? '–' : formatBytes(rawBytes),
      indexes.join(', '),
    ]),
  );
}
