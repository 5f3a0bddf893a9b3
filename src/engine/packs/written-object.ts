import type { WrittenObject } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';

/** 8 lower hex digits, as the storages and the index write a CRC-32. */
export function crc32Hex(crc32: number): string {
  return (crc32 >>> 0).toString(16).padStart(8, '0');
}

/** What the storage says it holds must be what was handed to it. @throws VerificationFailed */
export function requireWritten(written: WrittenObject, size: number, crc32: string): void {
  if (written.size === size && written.crc32 === crc32) return;
  throw new HoldfastError(
    'VerificationFailed',
    `The storage holds ${written.size} bytes with CRC-32 ${written.crc32} of ${written.key}, not the ${size} bytes with ${crc32} that were written.`,
  );
}
