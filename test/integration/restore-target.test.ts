import { MongoClient } from 'mongodb';
import { expect, test } from 'vitest';
import { startStandalone } from '../../local/servers/standalone.ts';
import { targetDigest } from '../../src/application/restore-target.ts';

async function digestOf(host: string): Promise<string> {
  const client = new MongoClient(`mongodb://${host}/?directConnection=true`);
  try {
    return await targetDigest(client);
  } finally {
    await client.close();
  }
}

test('one standalone under two names is one target of restores, two are two', async () => {
  const server = await startStandalone();
  const other = await startStandalone();
  try {
    const digest = await digestOf(server.host);
    expect(await digestOf(server.host.replace('127.0.0.1', 'localhost'))).toBe(digest);
    expect(await digestOf(other.host)).not.toBe(digest);
  } finally {
    await server.stop();
    await other.stop();
  }
});
