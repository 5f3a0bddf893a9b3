import { constants } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename } from 'node:path';
import type { MongoClient } from 'mongodb';
import type { MongodProcess } from '../../local/servers/mongod-process.ts';
import { makeOwnDirectory } from '../../local/servers/reaper.ts';

/** How a member is made to hold still while its files are copied by hand. */
export type Stillness =
  /** SIGSTOP: what a snapshot of the volume sees, and what a crash leaves. */
  | 'stopped'
  /** fsyncLock. */
  | 'locked'
  /** SIGKILL; it is started again afterwards. */
  | 'killed';

export async function copyDirectory(from: string): Promise<string> {
  const to = await makeOwnDirectory('copy');
  const filter = (file: string) =>
    !/^(mongod\.log|mongod\.lock|WiredTiger\.lock|diagnostic\.data)$/.test(basename(file));
  await cp(from, to, { recursive: true, filter, mode: constants.COPYFILE_FICLONE });
  return to;
}

/** The member's files, not started since. */
export async function copyFiles(member: MongodProcess, client: MongoClient, how: Stillness): Promise<string> {
  if (how === 'locked') {
    await client.db('admin').command({ fsync: 1, lock: true });
    try {
      return await copyDirectory(member.dbPath);
    } finally {
      await client.db('admin').command({ fsyncUnlock: 1 });
    }
  }
  if (how === 'killed') {
    await member.kill();
    const copy = await copyDirectory(member.dbPath);
    await member.restart();
    return copy;
  }
  member.signal('SIGSTOP');
  try {
    return await copyDirectory(member.dbPath);
  } finally {
    member.signal('SIGCONT');
  }
}
