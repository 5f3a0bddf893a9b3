import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { findDifferences, readDeploymentState, readExpectedState, seedFixture } from '../support/deployment-hashes.ts';

describe('the fixture data set on a real server', () => {
  let server: StandaloneServer;
  beforeAll(async () => {
    server = await startStandalone({ auth: true });
    await seedFixture(server.client());
  });
  afterAll(() => server.stop());

  test('a seeded server holds exactly what expected.json says', async () => {
    const state = await readDeploymentState(server.client(), { withoutUsers: ['admin.root'] });
    expect(findDifferences(await readExpectedState(), state)).toEqual([]);
    expect(Object.keys(state.users ?? {})).toEqual(['admin.ops', 'shop.till']);
    expect(Object.keys(state.roles ?? {})).toEqual(['admin.auditor', 'shop.clerk']);
    expect(JSON.stringify(state.users)).toContain('storedKey');
  });

  test('one changed document, one changed index and one changed password are each found and named', async () => {
    const client = server.client();
    const before = await readDeploymentState(client);
    await client
      .db('tenants')
      .collection('tenant_7')
      .updateOne({}, { $set: { name: 'other' } });
    await client.db('shop').command({ collMod: 'orders', index: { name: 'status_hidden', hidden: false } });
    await client.db('shop').command({ updateUser: 'till', pwd: 'another' });
    const found = findDifferences(before, await readDeploymentState(client)).map((line) => line.split(':')[0] ?? '');
    const [passwords, others] = [/^users › shop\.till › credentials/, /^(?!users)/].map((wanted) =>
      found.filter((line) => wanted.test(line)),
    );
    expect(others).toEqual([
      'shop › collections › orders › indexes › status_hidden › hidden',
      'tenants › dbHash',
      'tenants › collectionHashes › tenant_7',
    ]);
    expect(passwords).not.toEqual([]);
    expect(found).toHaveLength(3 + (passwords?.length ?? 0));
  });
});
