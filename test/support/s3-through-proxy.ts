import { type MotoServer, startMoto } from '../../local/servers/moto-server.ts';
import { S3ObjectStore, type S3ObjectStoreOptions } from '../../src/adapters/aws/s3-object-store.ts';
import { FaultProxy } from './fault-proxy.ts';

export const bucket = 'artifacts';

/** Short enough that a test need not wait, long enough that a busy machine is not taken for a broken one. */
export const shortPatience = { attempts: 12, pauseMs: 1, longestPauseMs: 5 };

export interface S3ThroughProxy {
  readonly moto: MotoServer;
  readonly proxy: FaultProxy;
  /** A store whose requests go through the proxy. */
  store(options?: Partial<S3ObjectStoreOptions>): S3ObjectStore;
  /** What the storage holds, past the proxy. */
  readonly direct: S3ObjectStore;
  stop(): Promise<void>;
}

/** moto, the proxy before it, and stores on both ways. */
export async function startS3ThroughProxy(): Promise<S3ThroughProxy> {
  const moto = await startMoto();
  await moto.makeBucket(bucket);
  const proxy = await FaultProxy.start(moto.endpoint);
  const stores: S3ObjectStore[] = [];
  const open = (options: Partial<S3ObjectStoreOptions>): S3ObjectStore => {
    const { patience, ...rest } = options;
    const store = new S3ObjectStore({
      ...{ bucket, prefix: 'holdfast/', region: 'us-east-1', forcePathStyle: true, description: '"primary"' },
      readKey: () => Promise.resolve({ accessKeyId: 'CANARY-id', secretAccessKey: 'CANARY-secret' }),
      patience: { ...shortPatience, ...patience },
      ...rest,
    });
    stores.push(store);
    return store;
  };
  return {
    moto,
    proxy,
    store: (options = {}) => open({ endpoint: proxy.endpoint, ...options }),
    direct: open({ endpoint: moto.endpoint }),
    async stop() {
      for (const store of stores) await store.close();
      await proxy.close();
      await moto.stop();
    },
  };
}
