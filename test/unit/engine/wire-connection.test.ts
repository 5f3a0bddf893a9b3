import { type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { BSON, type Document, MongoNetworkError, MongoServerError } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { ByteSink } from '../../../src/engine/wire/authenticated-socket.ts';
import { commandSection } from '../../../src/engine/wire/op-msg.ts';
import { ReplyMemory } from '../../../src/engine/wire/reply-memory.ts';
import { ReplyReader } from '../../../src/engine/wire/reply-reader.ts';
import { WireConnection } from '../../../src/engine/wire/wire-connection.ts';

const never = new AbortController().signal;

function message(document: Document, changes: { responseTo?: number; opCode?: number; flags?: number } = {}): Buffer {
  const head = Buffer.alloc(21);
  const body = BSON.serialize(document);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(changes.responseTo ?? 1, 8);
  head.writeInt32LE(changes.opCode ?? 2013, 12);
  head.writeUInt32LE(changes.flags ?? 0, 16);
  return Buffer.concat([head, body]);
}

/** As the kernel does it with memory of the reader's, or as TLS does with memory of its own. */
function deliver(sink: ByteSink, bytes: Buffer, inPlace: boolean): void {
  if (!inPlace) {
    sink.arrived(bytes);
    return;
  }
  for (let rest = bytes; rest.length > 0;) {
    const space = sink.space();
    const taken = rest.copy(space);
    sink.arrived(space.subarray(0, taken));
    rest = rest.subarray(taken);
  }
}

describe('the reader of replies', () => {
  it('cuts what comes into messages, however it is cut up', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 60_000, max: 3_000_000 })), {
      maxLength: 6,
    });
    const pieces = fc.array(
      fc.tuple(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 500_000 })), fc.boolean()),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(sizes, pieces, fc.boolean(), (lengths, someCuts, keep) => {
        const cuts = [...someCuts, [500_000, true] as const];
        let cut = 0;
        const sent = lengths.map((length, n) => message({ n, body: Buffer.alloc(length, n + 1) }));
        const got: Buffer[] = [];
        let right = 0;
        const memory = new ReplyMemory();
        const reader = new ReplyReader(
          memory,
          (reply) => {
            if (reply.equals(sent[right] ?? Buffer.alloc(0))) right += 1;
            if (keep) got.push(reply);
            else memory.giveBack(reply);
          },
          (error) => {
            throw error;
          },
        );
        for (const whole of sent)
          for (let at = 0; at < whole.length;) {
            const [bytes, inPlace] = cuts[cut++ % cuts.length] ?? [1, false];
            const end = Math.min(whole.length, at + bytes);
            deliver(reader, whole.subarray(at, end), inPlace);
            at = end;
          }
        expect(right).toBe(sent.length);
        // What was not given back has not been touched.
        for (const [n, reply] of got.entries()) expect(reply.equals(sent[n] ?? Buffer.alloc(0))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it.each([0, 15, -1, 48_000_001])('refuses a message of %i bytes', (length) => {
    const failures: Error[] = [];
    const reader = new ReplyReader(
      new ReplyMemory(),
      () => expect.unreachable(),
      (error) => failures.push(error),
    );
    const head = Buffer.alloc(16);
    head.writeInt32LE(length);
    reader.arrived(head);
    expect(failures[0]).toBeInstanceOf(MongoNetworkError);
  });
});

/** A socket that writes nowhere, and what the test lets come from it. */
function connection() {
  let sink: ByteSink | undefined;
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const authenticated = {
    socket: socket as unknown as Socket,
    address: 'db:27017',
    silenceLimit: 0,
    deliverTo: (to: ByteSink) => (sink = to),
  };
  const wire = new WireConnection(authenticated, new ReplyMemory());
  const ask = (signal = never) => wire.request([commandSection({ ping: 1, $db: 'admin' })], signal);
  return { wire, socket, ask, come: (bytes: Buffer) => sink?.arrived(bytes) };
}

describe('the memory of replies', () => {
  const megabyte = 1024 * 1024;

  it('is used again for what fits, and by one reply at a time', () => {
    const memory = new ReplyMemory();
    const [one, other] = [memory.take(3 * megabyte), memory.take(3 * megabyte - 9)];
    expect(one.buffer).not.toBe(other.buffer);
    memory.giveBack(one);
    expect(memory.take(5 * megabyte).buffer).not.toBe(one.buffer);
    const again = memory.take(2 * megabyte + 1);
    expect(again.buffer).toBe(one.buffer);
    expect(again).toHaveLength(2 * megabyte + 1);
    expect(memory.take(2 * megabyte).buffer).not.toBe(one.buffer);
  });

  it('is not kept without bounds', () => {
    const memory = new ReplyMemory();
    const taken = Array.from({ length: 20 }, () => memory.take(8 * megabyte));
    const known = new Set(taken.map(({ buffer }) => buffer));
    for (const reply of taken) memory.giveBack(reply);
    const again = Array.from({ length: 20 }, () => memory.take(8 * megabyte));
    expect(again.filter(({ buffer }) => known.has(buffer))).toHaveLength(6);
  });
});

describe('a connection', () => {
  it('answers each command with its own reply', async () => {
    const { ask, come } = connection();
    for (const n of [1, 2, 3]) {
      const asked = ask();
      come(message({ n, ok: 1 }, { responseTo: n }));
      expect(BSON.deserialize((await asked).body)).toEqual({ n, ok: 1 });
    }
  });

  it('ends in the middle of a reply with an error of the network', async () => {
    const { wire, socket, ask, come } = connection();
    const asked = ask();
    come(message({ body: Buffer.alloc(200_000), ok: 1 }).subarray(0, 150_000));
    socket.destroy();
    await expect(asked).rejects.toBeInstanceOf(MongoNetworkError);
    await expect(ask()).rejects.toBeInstanceOf(MongoNetworkError);
    expect(wire.isUsable).toBe(false);
  });

  it('ends with the error of its socket', async () => {
    const { socket, ask } = connection();
    const asked = ask();
    const cause = Object.assign(new TypeError('read ECONNRESET'), { code: 'ECONNRESET' });
    socket.destroy(cause);
    await expect(asked).rejects.toMatchObject({ name: 'MongoNetworkError', message: 'read ECONNRESET', cause });
  });

  it.each([
    ['to another command', message({ ok: 1 }, { responseTo: 9 })],
    ['of another kind', message({ ok: 1 }, { opCode: 1 })],
    ['with more to come', message({ ok: 1 }, { flags: 2 })],
    ['before anything was asked', message({ ok: 1 }), 'unasked'],
  ])('ends at a reply %s', async (_what, reply, unasked?) => {
    const { wire, socket, ask, come } = connection();
    const asked = unasked === undefined ? ask() : undefined;
    come(reply);
    if (asked) await expect(asked).rejects.toBeInstanceOf(MongoNetworkError);
    expect(wire.isUsable).toBe(false);
    expect(socket.destroyed).toBe(true);
  });

  it('passes on what the server says of a command that failed', async () => {
    const { wire, ask, come } = connection();
    const asked = ask();
    come(message({ ok: 0, errmsg: 'plan executor error: collection dropped', code: 175, codeName: 'QueryPlanKilled' }));
    await expect(asked).rejects.toBeInstanceOf(MongoServerError);
    await expect(asked).rejects.toMatchObject({ code: 175, message: 'plan executor error: collection dropped' });
    expect(wire.isUsable).toBe(true);
  });

  it('is for one command at a time', async () => {
    const { ask, come } = connection();
    const asked = ask();
    await expect(ask()).rejects.toMatchObject({ name: 'Internal' });
    come(message({ ok: 1 }));
    await asked;
  });
});
