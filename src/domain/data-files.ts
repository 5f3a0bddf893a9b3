import { HoldfastError } from './errors.ts';

/**
 * Which files of a data directory belong to a physical backup. Everything does but what is listed here: a file that a
 * later server version adds is kept, not lost. Sources: the list of MongoDB's own physical backups (Percona Backup for
 * MongoDB, `physical.go`, and the members of a `$backupCursor`) and the behaviour of mongod 6.0.5 and WiredTiger 10.
 */

/** What a directory entry is; a symbolic link is what it leads to. */
export type DataFileKind = 'file' | 'directory' | 'other';

interface NeverRule {
  readonly matches: (segments: readonly string[]) => boolean;
  readonly reason: string;
}

const last = (segments: readonly string[]): string => segments.at(-1) ?? '';
const inTop = (name: string) => (segments: readonly string[]) => segments[0] === name;
const isTop = (name: string) => (segments: readonly string[]) => segments.length === 1 && segments[0] === name;

const neverRules: readonly NeverRule[] = [
  { matches: isTop('mongod.lock'), reason: 'it names the process that runs on the directory' },
  { matches: isTop('WiredTiger.lock'), reason: 'it is the lock of the process that has the directory open' },
  { matches: inTop('diagnostic.data'), reason: 'it holds measurements of the server, no data (FTDC)' },
  { matches: inTop('_tmp'), reason: 'it holds files of sorts and index builds that are under way' },
  { matches: inTop('rollback'), reason: 'it holds documents that the set has undone' },
  { matches: inTop('lost+found'), reason: 'it belongs to the file system' },
  {
    // Removed whenever the log is opened (WiredTiger, log.c: WT_LOG_PREPNAME and WT_LOG_TMPNAME): 100 MB of zeros each.
    matches: (segments) => /^WiredTiger(?:Prep|Tmp)log\.\d+$/.test(last(segments)),
    reason: 'it is prepared for a journal that is not written yet',
  },
  { matches: (segments) => last(segments).endsWith('.sock'), reason: 'it is a socket' },
  { matches: isTop('HOLDFAST_INCOMPLETE'), reason: 'it is the mark of a restore' },
];

/**
 * Why an entry of a data directory never belongs to a backup; undefined when it does.
 * @param path relative to the data directory, segments joined by "/"
 */
export function whyLeftOut(path: string, kind: DataFileKind): string | undefined {
  if (kind === 'other') return 'it is a socket, a pipe or a device';
  const segments = path.split('/');
  return neverRules.find(({ matches }) => matches(segments))?.reason;
}

/** Linux's limit for a path, less what a target may put in front of it. */
const maxPathLength = 3000;
const maxSegmentLength = 255;

function pathProblem(path: string): string | undefined {
  if (path === '') return 'it is empty';
  if (path.startsWith('/')) return 'it is absolute';
  if (path.length > maxPathLength) return `it is longer than ${maxPathLength} characters`;
  if (!path.isWellFormed() || path.includes('\uFFFD')) return 'its name is no Unicode text';
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return 'it holds a control character or a backslash';
  const wrong = path.split('/').find((segment) => segment === '' || segment === '.' || segment === '..');
  if (wrong !== undefined) return `it has the segment "${wrong}"`;
  return path.split('/').some((segment) => segment.length > maxSegmentLength)
    ? `a segment is longer than ${maxSegmentLength} characters`
    : undefined;
}

/** Whether a path of an index stays inside the directory that it is laid in, whatever that is. */
export function isDataPath(path: string): boolean {
  return pathProblem(path) === undefined;
}

/**
 * Refuses a file of the source that no backup could name safely.
 * @param where the member, for the message
 * @throws VolumeLayoutUnsupported
 */
export function requireDataPath(path: string, where: string): void {
  const problem = pathProblem(path);
  if (problem === undefined) return;
  throw new HoldfastError(
    'VolumeLayoutUnsupported',
    `The data directory of ${where} holds ${JSON.stringify(path.slice(0, 200))}, which cannot be backed up: ${problem}.`,
    { next: 'mongod makes no such file: move it out of the data directory, or ask for the method logical.' },
  );
}
