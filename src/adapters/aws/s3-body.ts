import type { Readable } from 'node:stream';
import { AnswerError } from './s3-failures.ts';
import type { S3Patience } from './s3-place.ts';

/** The stream that the SDK hands out on Node. */
export function asReadable(body: unknown): Readable {
  if (body === undefined) throw new AnswerError('MalformedAnswer', 'the answer has no body');
  return body as Readable;
}

/**
 * Reads a body to its end. The connection's own timeout ends one from which nothing comes; here one from which hardly
 * anything comes is ended too, and one that ends early is told from a whole one.
 * @param length in bytes, that the answer promises. @throws AnswerError
 */
export async function readBody(body: Readable, length: number, patience: S3Patience): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let read = 0;
  const watch = watchRate(body, () => read, patience);
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      pieces.push(piece);
      read += piece.length;
      if (read > length) throw new AnswerError('MalformedAnswer', `more than the ${length} bytes that it should have`);
    }
  } catch (error) {
    if (/^Checksum mismatch/.test((error as Error).message))
      throw new AnswerError('ChecksumMismatch', (error as Error).message);
    throw error;
  } finally {
    clearInterval(watch);
  }
  if (read < length) throw new AnswerError('TruncatedBody', `it ended after ${read} of ${length} bytes`);
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, length);
}

function watchRate(body: Readable, read: () => number, { idleMs, idleBytes }: S3Patience): NodeJS.Timeout {
  let before = 0;
  return setInterval(() => {
    const bytes = read() - before;
    before = read();
    if (bytes < idleBytes) {
      body.destroy(new AnswerError('StalledBody', `only ${bytes} bytes came within ${idleMs} ms`));
    }
  }, idleMs);
}
