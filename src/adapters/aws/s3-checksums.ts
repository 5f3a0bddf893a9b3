/** Holdfast writes a CRC-32 as 8 hex digits, S3 as base64 of its 4 bytes. */
export function crc32ToBase64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

export function crc32ToHex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/**
 * The CRC-32 of a whole object as a storage reports it, in hex; undefined when it reports none, or one of the checksums of
 * parts (COMPOSITE, `…-3`), which says nothing of the bytes as a whole.
 */
export function reportedCrc32(answer: {
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumType?: string | undefined;
}): string | undefined {
  const { ChecksumCRC32: sum, ChecksumType: type } = answer;
  if (sum === undefined || type === 'COMPOSITE' || !/^[A-Za-z0-9+/]{6}==$/.test(sum)) return undefined;
  return Buffer.from(sum, 'base64').toString('hex');
}
