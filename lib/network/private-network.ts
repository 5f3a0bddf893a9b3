import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { NetworkSettings } from '../../src/domain/settings.ts';
import type { endpointServices, lockEndpointServices } from '../../src/domain/stage-sizes.ts';
import type { PrivateNetwork } from '../functions/app-function.ts';

/** AWS services that functions and workers in the VPC call; S3 comes by a gateway, which costs nothing. */
const services = {
  secretsmanager: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  states: ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
  ecs: ec2.InterfaceVpcEndpointAwsService.ECS,
  ec2: ec2.InterfaceVpcEndpointAwsService.EC2,
  events: ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE,
  logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  'ecr.api': ec2.InterfaceVpcEndpointAwsService.ECR,
  'ecr.dkr': ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
} as const satisfies Record<(typeof endpointServices)[number], ec2.InterfaceVpcEndpointAwsService>;

/** And where members are locked. */
const lockServices = {
  scheduler: new ec2.InterfaceVpcEndpointAwsService('scheduler'),
} as const satisfies Record<(typeof lockEndpointServices)[number], ec2.InterfaceVpcEndpointAwsService>;

/** The VPC that MongoDB is in, as the config describes it: nothing is looked up, nothing in it is changed but for endpoints on request. */
export function importNetwork(scope: Construct, settings: NetworkSettings): PrivateNetwork {
  const { vpcId, availabilityZones, privateSubnetIds, privateSubnetRouteTableIds, securityGroupIds } = settings;
  const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId,
    availabilityZones,
    privateSubnetIds,
    ...(privateSubnetRouteTableIds && { privateSubnetRouteTableIds }),
  });
  return {
    vpc,
    subnets: vpc.privateSubnets,
    securityGroups: securityGroupIds.map((id) =>
      ec2.SecurityGroup.fromSecurityGroupId(scope, id, id, { mutable: false }),
    ),
  };
}

/** Endpoints for a VPC without NAT; docs/operator-guide/network.md has who needs which, and what they cost. */
export class PrivateEndpoints extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { vpc, subnets, securityGroups, locks }: PrivateNetwork & { readonly locks: boolean },
  ) {
    super(scope, id);
    new ec2.GatewayVpcEndpoint(this, 'S3', {
      vpc,
      service: ec2.GatewayVpcEndpointAwsService.S3,
      subnets: [{ subnets: [...subnets] }],
    });
    for (const [name, service] of Object.entries({ ...services, ...(locks && lockServices) })) {
      new ec2.InterfaceVpcEndpoint(this, name, {
        vpc,
        service,
        subnets: { subnets: [...subnets] },
        securityGroups: [...securityGroups],
        open: false,
      });
    }
  }
}
