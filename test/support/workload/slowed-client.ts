import { BSON, type ClientSession, type Db, type Document, type MongoClient } from 'mongodb';
import { WireConnection } from '../../../src/engine/wire/wire-connection.ts';

type Before = (db: string, command: Document) => Promise<void>;

function proxied<T extends object>(target: T, methods: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get(of, key): unknown {
      if (typeof key === 'string' && Object.hasOwn(methods, key)) return methods[key];
      const value: unknown = Reflect.get(of, key, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}

/** By session: cursors travel on connections of our own, which know no client. */
const slowedSessions = new Map<string, Before>();
const sessionKey = (id: BSON.Binary): string => Buffer.from(id.buffer).toString('hex');

const request = Object.getOwnPropertyDescriptor(WireConnection.prototype, 'request')
  ?.value as WireConnection['request'];
WireConnection.prototype.request = async function (this: WireConnection, sections, signal) {
  if (slowedSessions.size > 0) {
    const command: Document = BSON.deserialize((sections[0] ?? Buffer.alloc(0)).subarray(1));
    const { id } = (command['lsid'] ?? {}) as { id?: BSON.Binary };
    await (id && slowedSessions.get(sessionKey(id)))?.(String(command['$db']), command);
  }
  return request.call(this, sections, signal);
};

/** A client whose commands wait for `before` first: what a dump of a large deployment takes, without the size. */
export function slowedClient(client: MongoClient, before: Before): MongoClient {
  return proxied(client, {
    startSession: (options?: object): ClientSession => {
      const session = client.startSession(options);
      const key = sessionKey(session.id?.['id'] as BSON.Binary);
      slowedSessions.set(key, before);
      session.once('ended', () => slowedSessions.delete(key));
      return session;
    },
    db: (name: string): Db => {
      const db = client.db(name);
      const command = async (document: Document, options?: object) => {
        await before(name, document);
        return db.command(document, options);
      };
      return proxied(db, { command });
    },
  });
}
