import { entry, type ErrorEntry } from '../error-entry.ts';

/** The deployment that is backed up. */
export const sourceErrors = {
  SourceUnreachable: entry(
    'HF-2001',
    'source',
    'The deployment could not be reached.',
    'Check host, port, TLS and network from this machine.',
    true,
  ),
  AuthenticationFailed: entry(
    'HF-2002',
    'source',
    'The deployment refused the credentials.',
    'Check user, password and authSource of the backup user.',
  ),
  MissingPrivileges: entry('HF-2003', 'source', 'The backup user lacks privileges.', 'Grant the listed privileges.'),
  UnsupportedVersion: entry(
    'HF-2004',
    'source',
    'The server version is not supported.',
    'See the support matrix in the docs.',
  ),
  UnsupportedTopology: entry(
    'HF-2005',
    'source',
    'The deployment has a topology that this release cannot back up.',
    'See the message for what is supported.',
  ),
  NoEligibleMember: entry(
    'HF-2006',
    'source',
    'No member of the replica set may be read for a backup.',
    'Repair one of the members, or allow one in the config.',
  ),
  MemberStateChanged: entry(
    'HF-2007',
    'source',
    'The member changed while it was being read (restart, rollback, resync or state).',
    'The run starts the base again by itself; if it keeps failing, look at the member.',
    true,
  ),
  OplogRolledOver: entry(
    'HF-2008',
    'source',
    'The oplog no longer holds what must be captured.',
    'Enlarge the oplog (replSetResizeOplog), or back up when fewer writes happen.',
  ),
  OplogGap: entry('HF-2009', 'source', 'The captured oplog has a hole.', 'Start the backup again.'),
  UnsupportedOplogEntry: entry(
    'HF-2010',
    'data',
    'An oplog entry is of a kind that this release cannot carry.',
    'Report the entry that the message names; it is never skipped.',
  ),
  RestoreTimeNotReached: entry(
    'HF-2011',
    'source',
    'The majority did not reach the restore time in time.',
    'Check that a majority of the set is up and replicating.',
    true,
  ),
  CorruptSource: entry(
    'HF-2012',
    'source',
    'The member returned bytes that are not valid BSON.',
    'Validate the collection on the member; resync the member if it is damaged.',
  ),
  FeatureCompatibilityVersionChanged: entry(
    'HF-2013',
    'source',
    'The feature compatibility version changed during the base.',
    'The run starts the base again by itself.',
    true,
  ),
  VolumeNotFound: entry(
    'HF-2014',
    'source',
    'No volume was found under the data of a member.',
    'Name it under volumes in the config, or ask for the method logical.',
  ),
  VolumeLayoutUnsupported: entry(
    'HF-2015',
    'source',
    'The data of a member lies in a way that no snapshot can be used of.',
    'Do what the message names, or ask for the method logical.',
  ),
  SnapshotFailed: entry(
    'HF-2016',
    'source',
    'The snapshot of a member could not be made.',
    'Look at what the message names, then start again.',
    true,
  ),
  MemberLocked: entry(
    'HF-2017',
    'source',
    'Somebody else has locked the member against writes (fsyncLock).',
    'Ask whoever runs other backups or maintenance on it; when nobody does, unlock it with db.fsyncUnlock().',
  ),
  LockRefused: entry(
    'HF-2018',
    'source',
    'The member may not be locked.',
    'Set votes to 0 for the hidden member, or lock: false where its volume can be snapshotted at once.',
  ),
} as const satisfies Record<string, ErrorEntry>;
