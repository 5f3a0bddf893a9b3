/** One behind the other in one buffer: those that lie so in memory already, documents of one frame for instance, are not copied. */
export function joinBuffers(buffers: readonly Buffer[]): Buffer {
  const stretches: Buffer[] = [];
  let first: Buffer | undefined;
  let end = 0;
  const close = (): void => {
    if (first) stretches.push(Buffer.from(first.buffer, first.byteOffset, end - first.byteOffset));
  };
  for (const buffer of buffers) {
    if (buffer.buffer !== first?.buffer || buffer.byteOffset !== end) {
      close();
      first = buffer;
    }
    end = buffer.byteOffset + buffer.length;
  }
  close();
  const [only] = stretches;
  return only && stretches.length === 1 ? only : Buffer.concat(stretches);
}
