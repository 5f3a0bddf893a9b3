import { expect, test } from 'vitest';
import { ByteChannel } from '../../../src/engine/packs/byte-channel.ts';

test('memory that is given back with its buffer is counted as gone: producers go on', async () => {
  const channel = new ByteChannel(10);
  const lengths: number[] = [];
  const consumed = (async () => {
    for await (const { length } of channel) lengths.push(length);
  })();
  for (let n = 0; n < 5; n++) {
    const buffer = Buffer.from(new ArrayBuffer(8));
    await channel.push(buffer, () => {
      buffer.buffer.transfer(0);
    });
  }
  channel.end();
  await consumed;
  expect(lengths).toEqual([8, 8, 8, 8, 8]);
});
