import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BSON } from 'mongodb';
import { HoldfastError } from '../../src/domain/errors.ts';

/** Documents as bytes into a server without authentication: the driver would decode them, and lose duplicate keys and the order of numeric ones. */

const opMsg = 2013;
const headerLength = 16;

function buildMessage(command: BSON.Document, sequence: string, documents: readonly Uint8Array[]): Buffer {
  const body = BSON.serialize(command);
  const name = Buffer.from(`${sequence}\0`);
  const section = Buffer.alloc(4);
  section.writeInt32LE(4 + name.length + documents.reduce((sum, each) => sum + each.length, 0));
  const parts = [Buffer.alloc(headerLength + 4), Buffer.from([0]), body, Buffer.from([1]), section, name, ...documents];
  const message = Buffer.concat(parts);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(opMsg, 12);
  return message;
}

async function readReply(socket: Socket): Promise<BSON.Document> {
  const pieces: Buffer[] = [];
  for (let length = 0, wanted = Infinity; length < wanted;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    pieces.push(piece);
    length += piece.length;
    if (length >= 4) wanted = Buffer.concat(pieces).readInt32LE(0);
  }
  return BSON.deserialize(Buffer.concat(pieces).subarray(headerLength + 5));
}

export interface RawConnection extends AsyncDisposable {
  /** @throws HoldfastError Internal with the server's answer when it refuses one of the documents. */
  insert(db: string, collection: string, documents: readonly Uint8Array[]): Promise<void>;
}

export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  return {
    async insert(db, collection, documents) {
      const reply = readReply(socket);
      socket.write(buildMessage({ insert: collection, ordered: true, $db: db }, 'documents', documents));
      const answer = await reply;
      if (answer['ok'] !== 1 || answer['writeErrors'] !== undefined || answer['n'] !== documents.length) {
        throw new HoldfastError('Internal', `The raw insert was refused: ${JSON.stringify(answer).slice(0, 500)}`);
      }
    },
    [Symbol.asyncDispose]() {
      socket.destroy();
      return Promise.resolve();
    },
  };
}
