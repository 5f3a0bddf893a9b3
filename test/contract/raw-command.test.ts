import { BSON, type Document, ObjectId } from 'mongodb';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { rawArray, rawDocument } from '../../src/engine/restore/raw-command.ts';

/** The driver's own writer of messages: what would go over the wire. */
const { OpMsgRequest } = createRequire(import.meta.url)('mongodb/lib/cmap/commands.js') as {
  OpMsgRequest: new (db: string, command: Document, options: Document) => { toBin(): Uint8Array[] };
};
const message = (command: Document) => Buffer.concat(new OpMsgRequest('db', command, {}).toBin());
/** After the header (16), the flags (4) and the kind of the first section (1). */
const bodyOffset = 21;

/** {a: 1, a: 2, "1": 0, "0": 0}: what decoding to an object would lose, a duplicate key and the order of keys like numbers. */
const awkward = Buffer.from('200000001061000100000010610002000000103100000000001030000000000000', 'hex').subarray(
  0,
  33,
);
awkward.writeInt32LE(33);

describe('raw BSON in the commands of the pinned driver', () => {
  it('is the pinned driver', () => {
    const { version } = createRequire(import.meta.url)('mongodb/package.json') as { version: string };
    expect(version).toBe('7.9.0');
  });

  it('embeds documents and arrays byte by byte, in their place among other fields', () => {
    const command = { first: 1, one: rawDocument(awkward), many: rawArray([awkward, awkward]), last: 'x' };
    const sent = message(command);
    const body = sent.subarray(bodyOffset, bodyOffset + sent.readInt32LE(bodyOffset));
    const element = (type: number, name: string, value: Buffer) =>
      Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`), value]);
    const item = Buffer.concat([element(3, '0', awkward), element(3, '1', awkward), Buffer.alloc(1)]);
    const size = Buffer.alloc(4);
    size.writeInt32LE(item.length + 4);
    expect(body.includes(element(3, 'one', awkward))).toBe(true);
    expect(body.includes(element(4, 'many', Buffer.concat([size, item])))).toBe(true);
    expect(Object.keys(BSON.deserialize(body))).toEqual(['first', 'one', 'many', 'last', '$db']);
  });

  it('takes a document of 16 MiB and an array of nearly that', () => {
    const large = Buffer.from(BSON.serialize({ _id: new ObjectId(), body: 'x'.repeat(16 * 1024 * 1024 - 1000) }));
    const sent = message({ applyOps: rawArray([large]) });
    expect(sent.includes(large.subarray(0, 100))).toBe(true);
    const { applyOps } = BSON.deserialize(sent.subarray(bodyOffset)) as { applyOps: { body: string }[] };
    expect(applyOps[0]?.body).toHaveLength(16 * 1024 * 1024 - 1000);
  });
});
