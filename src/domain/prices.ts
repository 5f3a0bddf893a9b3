/**
 * What AWS asks for, in one place with its date. On-demand prices without free tiers and discounts: a forecast that leaves
 * those out is too high rather than too low. `list`: read from AWS's price list; `reported`: from publications of others.
 */
export interface Price {
  readonly usd: number;
  /** What one `usd` buys. GB are 2^30 bytes for storage and memory, as AWS bills them. */
  readonly per: string;
  readonly source: 'list' | 'reported';
}

/** When the prices of the list were retrieved. */
export const pricesDate = '2026-09-30';
/** The region that they are of. Others differ by up to about a third, mostly upwards. */
export const pricesRegion = 'us-east-1';

export const prices = {
  fargateVcpu: { usd: 0.03238, per: 'vCPU-hour, arm64', source: 'list' },
  fargateMemory: { usd: 0.00356, per: 'GB-hour, arm64', source: 'list' },
  fargateVcpuX86: { usd: 0.04048, per: 'vCPU-hour, x86_64', source: 'list' },
  fargateMemoryX86: { usd: 0.004445, per: 'GB-hour, x86_64', source: 'list' },
  stepFunctionsTransition: { usd: 0.025 / 1000, per: 'state transition', source: 'list' },
  expressRequest: { usd: 1 / 1e6, per: 'request of an Express workflow', source: 'reported' },
  expressDuration: { usd: 0.00001667, per: 'GB-second of an Express workflow', source: 'reported' },
  alarm: { usd: 0.1, per: 'alarm-month', source: 'reported' },
  lambdaRequest: { usd: 0.2 / 1e6, per: 'request', source: 'reported' },
  lambdaDuration: { usd: 0.0000133334, per: 'GB-second, arm64', source: 'reported' },
  s3Storage: { usd: 0.023, per: 'GB-month, Standard', source: 'list' },
  s3Write: { usd: 0.005 / 1000, per: 'PUT, POST, COPY or LIST request', source: 'list' },
  s3Read: { usd: 0.0004 / 1000, per: 'GET or HEAD request', source: 'list' },
  schedulerInvocation: { usd: 1 / 1e6, per: 'invocation', source: 'reported' },
  eventBridgeEvent: { usd: 1 / 1e6, per: 'event of an own source', source: 'reported' },
  secret: { usd: 0.4, per: 'secret-month', source: 'reported' },
  secretRequest: { usd: 0.05 / 10_000, per: 'request', source: 'reported' },
  kmsKey: { usd: 1, per: 'key-month', source: 'reported' },
  kmsRequest: { usd: 0.03 / 10_000, per: 'request', source: 'reported' },
  logsIngested: { usd: 0.5, per: 'GB ingested', source: 'reported' },
  logsStored: { usd: 0.03, per: 'GB-month', source: 'reported' },
  natHour: { usd: 0.045, per: 'gateway-hour', source: 'list' },
  natData: { usd: 0.045, per: 'GB through the gateway', source: 'list' },
  endpointHour: { usd: 0.01, per: 'interface endpoint and zone, hour', source: 'list' },
  endpointData: { usd: 0.01, per: 'GB through interface endpoints', source: 'list' },
  gp3Storage: { usd: 0.08, per: 'GB-month', source: 'list' },
  gp3Iops: { usd: 0.005, per: 'IOPS-month beyond 3,000', source: 'reported' },
  gp3Throughput: { usd: 0.04, per: 'MiB/s-month beyond 125', source: 'reported' },
  io2Storage: { usd: 0.125, per: 'GB-month', source: 'reported' },
  io2Iops: { usd: 0.065, per: 'IOPS-month, the first 32,000', source: 'reported' },
  provisionedInitialization: { usd: 0.0036, per: 'GiB of a snapshot at 300 MiB/s, in proportion', source: 'list' },
  fastSnapshotRestore: { usd: 0.75, per: 'hour, snapshot and zone', source: 'list' },
  crossZoneData: { usd: 0.01, per: 'GB and direction between zones', source: 'reported' },
} as const satisfies Record<string, Price>;
