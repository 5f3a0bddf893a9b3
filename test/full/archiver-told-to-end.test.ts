import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { startReplicaSet } from '../../local/servers/replica-set.ts';
import { startHoldfast } from '../integration/cli/holdfast-process.ts';

test('an archiver whose storage answers nothing ends when it is told to, and asks no more', async () => {
  let asked = 0;
  const storage = createServer(() => (asked += 1)).listen(0, '127.0.0.1');
  await once(storage, 'listening');
  const cwd = await makeOwnDirectory('archiver');
  const set = await startReplicaSet({ members: [{}] });
  try {
    const endpoint = `http://127.0.0.1:${(storage.address() as AddressInfo).port}`;
    const place = 'bucket: artifacts, region: us-east-1, forcePathStyle: true, credentials: { env: S3 }';
    const settings = [
      `storages: { s3: { type: s3, endpoint: "${endpoint}", ${place} } }`,
      `deployments: { orders: { uri: "${set.uri}", member: { allowPrimary: true }, oplogArchive: { enabled: true } } }`,
    ];
    await writeFile(join(cwd, 'holdfast.config.yaml'), settings.join('\n'));
    const archiver = startHoldfast(['archive', 'orders'], { cwd, env: { S3: 'id:secret' } });
    await Promise.race([once(storage, 'request'), archiver.ended]);
    const askedBefore = asked;
    archiver.child.kill('SIGTERM');
    expect(await archiver.ended).toMatchObject({ code: 0 });
    // What the turn left behind would ask again, when its connections end, and then for minutes.
    expect(asked).toBe(askedBefore);
  } finally {
    storage.closeAllConnections();
    storage.close();
    await set.stop();
    await removeOwnDirectory(cwd);
  }
});
