import { afterAll, beforeAll, beforeEach } from 'vitest';
import { describeEbsSnapshots } from './ebs-snapshots-contract.ts';
import { describeEbsVolumes } from './ebs-volumes-contract.ts';
import { describeEc2RestoreVolumes } from './ec2-restore-volumes-contract.ts';
import { Ec2World } from './ec2-world.ts';

let world: Ec2World;
beforeAll(async () => {
  world = await Ec2World.start();
});
afterAll(() => world.stop());
beforeEach(() => {
  world.front.reset();
});

describeEbsSnapshots(() => world);
describeEbsVolumes(() => world);
describeEc2RestoreVolumes(() => world);
