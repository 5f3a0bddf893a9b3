import { lookup } from 'node:dns/promises';
import { EbsSnapshots } from '../adapters/aws/ebs-snapshots.ts';
import { EbsVolumes } from '../adapters/aws/ebs-volumes.ts';
import { openEc2, openEc2Once } from '../adapters/aws/service-clients.ts';
import type { VolumeSnapshots } from '../application/ports/volume-snapshots.ts';

/** For functions that look at snapshots, or delete them. */
export function composeSnapshots({ STAGE: stage }: { readonly STAGE: string }): { readonly volumes: VolumeSnapshots } {
  const client = openEc2();
  return { volumes: new EbsSnapshots({ client, creatingClient: client, stage }) };
}

/** For functions that find members' volumes, and snapshot them: in the VPC, where members' names have addresses. */
export function composeVolumes({ STAGE: stage, VPC_ID: vpcId }: { readonly STAGE: string; readonly VPC_ID: string }): {
  readonly volumes: VolumeSnapshots;
} {
  const client = openEc2();
  const volumes = new EbsVolumes({ client, vpcId, resolveHost });
  return { volumes: new EbsSnapshots({ client, creatingClient: openEc2Once(), stage, volumes }) };
}

async function resolveHost(host: string): Promise<string[]> {
  return (await lookup(host, { all: true, family: 4 })).map(({ address }) => address);
}
