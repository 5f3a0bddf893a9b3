import { entry, type ErrorEntry } from '../error-entry.ts';

/** Leases, storages, and what they hold. */
export const storageErrors = {
  DeploymentBusy: entry('HF-3001', 'busy', 'Another run holds the deployment.', 'Wait for that run, or cancel it.'),
  TargetBusy: entry('HF-3002', 'busy', 'Another restore holds the target.', 'Wait for that run, or cancel it.'),
  LeaseLost: entry(
    'HF-3003',
    'busy',
    'The run lost its lease to a later one.',
    'Start again when the other run has ended.',
  ),
  Duplicate: entry(
    'HF-3004',
    'busy',
    'The same request has been accepted before.',
    'Nothing to do: the earlier run answers it.',
  ),
  StorageUnavailable: entry(
    'HF-4001',
    'storage',
    'The storage did not answer.',
    'Check the storage and the network.',
    true,
  ),
  StorageAccessDenied: entry(
    'HF-4002',
    'storage',
    'The storage refused access.',
    'Grant the access that the message names.',
  ),
  StorageFull: entry('HF-4003', 'storage', 'The storage has no room.', 'Free space, or choose another storage.'),
  ObjectNotFound: entry(
    'HF-4004',
    'storage',
    'An object is missing in the storage.',
    'Run `holdfast describe` for the backup; it may be damaged or deleted.',
  ),
  ObjectExists: entry(
    'HF-4005',
    'storage',
    'An object that is written once exists already.',
    'Nothing to do: another attempt wrote it.',
  ),
  PreconditionFailed: entry('HF-4006', 'storage', 'An object changed since it was read.', 'Read it again.'),
  StorageNotSuitable: entry(
    'HF-4007',
    'storage',
    'The storage cannot keep what backups rest on.',
    'Use another storage: conditional writes must be honoured, and what is written must be readable at once.',
  ),
  StorageNotFound: entry(
    'HF-4008',
    'storage',
    'The bucket of a storage is not there.',
    'Correct the storage in the config file, or make the bucket.',
  ),
  VerificationFailed: entry(
    'HF-5001',
    'data',
    'What is stored differs from what was written.',
    'Do not rely on this backup; take a new one and look at the storage.',
  ),
  CorruptObject: entry(
    'HF-5002',
    'data',
    'An object is damaged.',
    'Restore from another backup; the message names the object.',
  ),
  UnsupportedFormat: entry(
    'HF-5003',
    'data',
    'A document was written by a newer release.',
    'Use a release that knows this format version.',
  ),
} as const satisfies Record<string, ErrorEntry>;
