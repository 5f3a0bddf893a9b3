import { allFunctions } from '../../lib/functions/function-list.ts';
import { prices, pricesDate, pricesRegion } from '../../src/domain/prices.ts';
import { grantsOfStage } from './grants-of-stage.ts';
import { lockEndpointServices } from '../../src/domain/stage-sizes.ts';
import { openStage, resourcesOfType, shown, type SynthesisedStage } from './synthesised-stage.ts';
import { impliedActions } from './uncalled-grants.ts';

const hoursOfMonth = 730;

/** Services by the prefix of their actions in IAM. `iam:PassRole` is a permission and no call. */
const services: Readonly<Record<string, string>> = {
  s3: 'S3',
  secretsmanager: 'Secrets Manager',
  states: 'Step Functions',
  ecs: 'ECS',
  ec2: 'EC2',
  events: 'EventBridge',
  scheduler: 'EventBridge Scheduler',
};

/** Endpoints that Fargate itself needs to start a worker and to keep its log. */
const neededByFargate: Readonly<Record<string, string>> = {
  'ecr.api': 'Fargate, for the worker’s image',
  'ecr.dkr': 'Fargate, for the worker’s image (its layers come from S3)',
  logs: 'Fargate, for the worker’s log',
};

const lockServices: ReadonlySet<string> = new Set(lockEndpointServices);

interface Caller {
  readonly name: string;
  readonly inVpc: boolean;
  readonly database: boolean;
  /** Prefixes of the services that it calls. */
  readonly calls: ReadonlySet<string>;
}

/** docs/operator-guide/network.md: who is where, what each reaches, and what that needs and costs. */
export function networkDocument(stage: SynthesisedStage): string {
  const callers = callersOf(stage);
  const used = Object.keys(services).filter((service) => callers.some(({ calls }) => calls.has(service)));
  const endpoints = endpointsOf(stage, callers);
  const paid = endpoints.filter(({ gateway }) => !gateway).length;
  const month = (zones: number) => usd(paid * zones * prices.endpointHour.usd * hoursOfMonth);
  const nat = usd(prices.natHour.usd * hoursOfMonth);
  return `# Network

Generated from a synthesised stage by \`npm run docs:generate\`; do not edit. Functions that speak MongoDB, and workers, are in your VPC; the
others are not, and need nothing there.

## Who is where, and calls what

| | in the VPC | MongoDB | ${used.map((service) => services[service]).join(' | ')} |
|---|---|---|${'---|'.repeat(used.length)}
${callers.map((caller) => `| \`${caller.name}\` | ${mark(caller.inVpc)} | ${mark(caller.database)} | ${used.map((service) => mark(caller.calls.has(service))).join(' | ')} |`).join('\n')}

A storage on a server of your own (\`endpoint\` in the config) is called from where its address leads: then every function that reads or
writes backups is in the VPC too.

## What the VPC needs

Traffic to MongoDB: a security group of \`network.securityGroupIds\` that the members' security groups let in at their port, and subnets from
which the members' names resolve. Outwards, HTTPS to the services above, by a NAT gateway or by endpoints:

| endpoint | for | USD a month and zone |
|---|---|---|
${endpoints.map(({ name, gateway, users }) => `| \`${name}\` | ${users} | ${gateway ? 'nothing (gateway)' : usd(prices.endpointHour.usd * hoursOfMonth)} |`).join('\n')}

\`network.createEndpoints: true\` makes all of them, in the zones and route tables that the config names; the endpoints' own traffic needs the
security group to let itself in at port 443. \`false\`, the default, makes none: there is a NAT gateway, or endpoints of yours.

## What it costs

Prices of ${pricesRegion}, ${pricesDate} (\`src/domain/prices.ts\`); other regions differ.

| | a month | and for each GB |
|---|---|---|
| the ${paid} interface endpoints, one zone | ${month(1)} USD | ${prices.endpointData.usd} USD |
| the same, two zones | ${month(2)} USD | ${prices.endpointData.usd} USD |
| the same, three zones | ${month(3)} USD | ${prices.endpointData.usd} USD |
| one NAT gateway | ${nat} USD | ${prices.natData.usd} USD |
| gateway endpoint of S3 | nothing | nothing |

**Backups go to S3: have its gateway endpoint, also beside NAT.** A terabyte through NAT costs ${usd(prices.natData.usd * 1024)} USD, through the gateway endpoint
nothing. What else Holdfast sends through NAT or endpoints is small, and a NAT gateway is cheaper than endpoints from ${Math.ceil((prices.natHour.usd / prices.endpointHour.usd) * 1)} of them on: choose
endpoints where the VPC must have no way to the Internet.
`;
}

function callersOf(stage: SynthesisedStage): readonly Caller[] {
  const grants = grantsOfStage(stage);
  const calls = (name: string) => {
    const actions = grants.find(({ role }) => role === name)?.rows.flatMap((row) => row.actions) ?? [];
    const direct = actions.filter((action) => !impliedActions.test(action) && !action.startsWith('iam:'));
    return new Set(direct.map((action) => action.split(':')[0] ?? ''));
  };
  const speaking = new Set<string>(
    Object.values(allFunctions).flatMap(({ folder, database }) => (database ? [folder] : [])),
  );
  const functions = resourcesOfType(stage, 'AWS::Lambda::Function').map(([, { Properties }]) => {
    const name = openStage(String(Properties['FunctionName'])).replace(/^holdfast-<stage>-/, '');
    return { name, inVpc: 'VpcConfig' in Properties, database: speaking.has(name), calls: calls(name) };
  });
  const worker = { name: 'worker', inVpc: true, database: true, calls: calls('worker') };
  return [worker, ...functions].sort((a, b) => Number(b.inVpc) - Number(a.inVpc) || (a.name < b.name ? -1 : 1));
}

/** @throws Error for a service that is called from the VPC and has no endpoint, and for an endpoint that nobody needs */
function endpointsOf(stage: SynthesisedStage, callers: readonly Caller[]) {
  const inside = callers.filter(({ inVpc }) => inVpc);
  const endpoints = resourcesOfType(stage, 'AWS::EC2::VPCEndpoint').map(([, { Properties }]) => {
    const name = shown(stage, Properties['ServiceName']).replace(/^com\.amazonaws\.<region>\./, '');
    const callersOfIt = inside.filter(({ calls }) => calls.has(name)).map((caller) => `\`${caller.name}\``);
    const only = lockServices.has(name) ? ', where a deployment has `lock: true`' : '';
    const users = callersOfIt.length > 0 ? `${callersOfIt.join(', ')}${only}` : neededByFargate[name];
    if (users === undefined) throw new Error(`the endpoint ${name} is needed by nobody in the VPC`);
    return { name, gateway: Properties['VpcEndpointType'] === 'Gateway', users };
  });
  for (const { name, calls } of inside) {
    const missing = [...calls].filter((service) => !endpoints.some((endpoint) => endpoint.name === service));
    if (missing.length > 0)
      throw new Error(`${name} is in the VPC and calls ${missing.join(', ')}: there is no endpoint`);
  }
  return endpoints;
}

function mark(yes: boolean): string {
  return yes ? 'yes' : '';
}

function usd(amount: number): string {
  return amount.toFixed(2).replace(/\.00$/, '');
}
