import type { Db, Document, MongoClient } from 'mongodb';

function proxied<T extends object>(target: T, name: string, method: unknown): T {
  return new Proxy(target, {
    get(of, key): unknown {
      if (key === name) return method;
      const value: unknown = Reflect.get(of, key, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}

/** A client whose commands wait for `before` first: what a dump of a large deployment takes, without the size. */
export function slowedClient(
  client: MongoClient,
  before: (db: string, command: Document) => Promise<void>,
): MongoClient {
  return proxied(client, 'db', (name: string): Db => {
    const db = client.db(name);
    return proxied(db, 'command', async (command: Document, options?: object) => {
      await before(name, command);
      return db.command(command, options);
    });
  });
}
