import { entry, type ErrorEntry } from '../error-entry.ts';

/** Where a restore goes. */
export const targetErrors = {
  TargetUnreachable: entry(
    'HF-6001',
    'target',
    'The target could not be reached.',
    'Check host, port, TLS and network from this machine.',
    true,
  ),
  TargetNotEmpty: entry(
    'HF-6002',
    'target',
    'The target already holds data.',
    'Restore to an empty server, or name the target with --overwrite.',
  ),
  TargetIsSource: entry(
    'HF-6003',
    'target',
    'The target is the deployment that was backed up.',
    'Name another target.',
  ),
  TargetNotSuitable: entry(
    'HF-6004',
    'target',
    'The target cannot take this backup.',
    'See the message for what it needs.',
  ),
  RestoreRejected: entry(
    'HF-6005',
    'target',
    'The target rejected a write of the restore.',
    'The target is incomplete; empty it and restore again after correcting the cause.',
  ),
  RestoreVerificationFailed: entry(
    'HF-6006',
    'data',
    'The restored data differs from the backup.',
    'Do not use the target; report the differences that the message lists.',
  ),
  ScratchServerFailed: entry(
    'HF-6007',
    'target',
    'A mongod that was started for a restore failed.',
    'Read the words of its log in the message; check room and permissions of the directory, then restore again.',
  ),
  RecoveryFailed: entry(
    'HF-6008',
    'data',
    'The files could not be recovered to exactly the restore time.',
    'Do not use the directory; restore from another backup, or to a time that the message allows.',
  ),
} as const satisfies Record<string, ErrorEntry>;
