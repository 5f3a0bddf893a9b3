import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../src/domain/errors.ts';
import { startMoto } from '../servers/moto-server.ts';
import { type Screen, timed } from './screen.ts';

/** Where the demo's backup goes: a directory, or a bucket of an S3 server of its own. */
export type DemoStorageKind = 'directory' | 's3';

/** `--storage s3` or `--storage directory`; a directory when nothing is said. @throws InvalidInput */
export function parseDemoArguments(argv: readonly string[]): DemoStorageKind {
  const [option, value, ...rest] = argv.flatMap((argument) => argument.split(/=(.*)/s, 2));
  if (option === undefined) return 'directory';
  if (option === '--storage' && (value === 's3' || value === 'directory') && rest.length === 0) return value;
  throw new HoldfastError('InvalidInput', `The demo was given ${argv.join(' ')}.`, {
    next: 'Write npm run demo -- --storage s3, or nothing after demo.',
  });
}

/** @returns what stands under `storages` in the config file. `things` ends it. */
export async function startDemoStorage(
  kind: DemoStorageKind,
  screen: Screen,
  directory: string,
  things: AsyncDisposableStack,
): Promise<object> {
  if (kind === 'directory') return { type: 'directory', path: join(directory, 'backups') };
  screen.chapter('An S3 server');
  const bucket = 'holdfast-demo';
  const server = await timed(screen, 'Storage', startMoto, ({ endpoint }) => `moto at ${endpoint}, bucket ${bucket}`);
  things.defer(() => server.stop());
  await server.makeBucket(bucket);
  const file = join(directory, 'access-key');
  await writeFile(file, `demo:${randomBytes(20).toString('hex')}`, { mode: 0o600 });
  return { type: 's3', endpoint: server.endpoint, bucket, prefix: 'holdfast/', credentials: { file } };
}
