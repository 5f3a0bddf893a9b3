import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';

interface Meaning {
  readonly name: ErrorName;
  readonly reason: string;
  readonly next: string;
}

const denied = (reason: string): Meaning => ({
  name: 'StorageAccessDenied',
  reason,
  next: 'Give this user read and write access to the directory and everything in it.',
});
const full = (reason: string): Meaning => ({
  name: 'StorageFull',
  reason,
  next: 'Free space (or raise the quota) in the directory, or choose another storage.',
});

const nameTaken: Meaning = {
  name: 'InvalidInput',
  reason: 'an object and a folder of objects would need the same name, which a directory can not hold',
  next: 'Use another key.',
};

const meanings: Readonly<Record<string, Meaning>> = {
  EACCES: denied('permission denied'),
  EPERM: denied('operation not permitted'),
  EROFS: { ...denied('the file system is read-only'), next: 'Mount it writable, or choose another storage.' },
  ELOOP: {
    ...denied('a symbolic link is in the way'),
    next: 'Replace the link by a directory (or a bind mount): keys never leave the storage.',
  },
  ENOSPC: full('no space is left on the device'),
  EDQUOT: full('the disk quota is used up'),
  EFBIG: full("the file would be larger than this process's or file system's limit"),
  ENOENT: {
    name: 'ObjectNotFound',
    reason: 'there is no such object',
    next: 'Check the key; it may have been deleted.',
  },
  ENAMETOOLONG: {
    name: 'InvalidInput',
    reason: 'the path is too long for the file system',
    next: 'Use a directory with a shorter path.',
  },
  EISDIR: nameTaken,
  ENOTDIR: nameTaken,
  EEXIST: nameTaken,
};

export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Says in the product's errors what a file operation met: storage, key, cause and next step. Product errors pass unchanged. */
export function toStorageError(
  error: unknown,
  at: { readonly storage: string; readonly key: string; readonly action: string },
): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const code = errorCode(error);
  const meaning = meanings[code ?? ''] ?? {
    name: 'StorageUnavailable',
    reason: error instanceof Error ? error.message : String(error),
    next: 'Check the disk or the mount (kernel log, free file handles), then start again.',
  };
  return new HoldfastError(
    meaning.name,
    `Storage ${at.storage}: could not ${at.action} "${at.key}": ${meaning.reason}${code ? ` (${code})` : ''}.`,
    { next: meaning.next, cause: error, details: { storage: at.storage, key: at.key, ...(code && { code }) } },
  );
}
