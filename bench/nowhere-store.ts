import { crc32 } from 'node:zlib';
import { MemoryObjectStore } from '../src/adapters/memory/memory-object-store.ts';
import type { WrittenObject } from '../src/application/ports/object-store.ts';

/** Keeps small objects and drops what is streamed, after the checksum that every storage makes. */
export class NowhereStore extends MemoryObjectStore {
  override async putStream(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenObject> {
    let size = 0;
    let sum = 0;
    for await (const chunk of source) {
      size += chunk.length;
      sum = crc32(chunk, sum);
    }
    return { key, size, etag: '', crc32: (sum >>> 0).toString(16).padStart(8, '0') };
  }
}
