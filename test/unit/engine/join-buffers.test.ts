import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joinBuffers } from '../../../src/engine/bson/join-buffers.ts';

const memories = [Buffer.alloc(100, 1), Buffer.from([...Array(100).keys()])] as const;
const anyView = fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 99 }), fc.nat({ max: 5 }));

test('buffers are joined, whatever memory they lie in', () => {
  fc.assert(
    fc.property(fc.array(anyView), (views) => {
      const buffers = views.map(([memory, start, length]) =>
        (memories[memory] as Buffer).subarray(start, start + length),
      );
      expect(joinBuffers(buffers)).toEqual(Buffer.concat(buffers));
    }),
  );
});

test('those that lie one behind the other are not copied', () => {
  const [, memory] = memories;
  const joined = joinBuffers([memory.subarray(3, 10), memory.subarray(10, 10), memory.subarray(10, 50)]);
  expect(joined).toEqual(memory.subarray(3, 50));
  expect([joined.buffer, joined.byteOffset]).toEqual([memory.buffer, memory.byteOffset + 3]);
});
