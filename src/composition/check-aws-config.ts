import { lookup } from 'node:dns/promises';
import { whyNoAccess } from '../adapters/aws/aws-access.ts';
import { EbsVolumes } from '../adapters/aws/ebs-volumes.ts';
import { openEc2 } from '../adapters/aws/service-clients.ts';
import { MongoDeploymentInspector } from '../adapters/mongodb/inspect-deployment.ts';
import type { CheckDeploymentDeps } from '../application/check-deployment.ts';
import { checkConfig, type ConfigReport } from '../application/use-cases/check-config.ts';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import type { DeploymentSettings, Settings, StorageSettings } from '../domain/settings.ts';
import { openSecrets } from './aws-storages.ts';
import { LocalStorages } from './local-storages.ts';
import { makeOpenMember } from './open-member.ts';

/** What was found of a config, and what is left out of it because it can't be tried from here. */
interface Tried {
  readonly settings: Settings;
  readonly notChecked: readonly string[];
}

const howToAsk =
  'Run it again with credentials of AWS (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and AWS_REGION';
const describing = 'ec2:DescribeVolumes, ec2:DescribeInstances and ec2:DescribeInstanceTypes';

/**
 * Tries what the config of a stage on AWS names, from this machine and with its credentials of AWS: deployments, and the EBS volumes
 * under their members by calls of EC2 that only describe. What needs credentials that are not here, and what only the stack
 * makes, is said to be not checked. Looks for no folder of this machine.
 */
export async function checkAwsConfig(settings: Settings, signal?: AbortSignal): Promise<ConfigReport> {
  const client = openEc2();
  const credentials = { readSecret: openSecrets() };
  const storages = new LocalStorages(credentials);
  try {
    const problem = await whyNoAccess(client);
    const tried = withoutUnreachable(settings, problem, await client.config.region().catch(() => undefined));
    const report = await checkConfig(
      tried.settings,
      {
        inspector: new MongoDeploymentInspector(credentials),
        volumes: findByEc2(new EbsVolumes({ client, resolveHost, vpcId: settings.network?.vpcId })),
        ...(problem !== undefined && {
          volumesUnseen: `EC2 could not be asked for its volumes (${problem}), so its method is not known. ${howToAsk}; they need ${describing}.`,
        }),
        openMember: makeOpenMember(credentials),
        openStorage: storages.open.bind(storages),
        state: null,
      },
      signal,
    );
    return { ...report, notChecked: tried.notChecked };
  } finally {
    await storages.close();
    client.destroy();
  }
}

async function resolveHost(host: string): Promise<string[]> {
  return (await lookup(host, { all: true, family: 4 })).map(({ address }) => address);
}

function findByEc2(ebs: EbsVolumes): CheckDeploymentDeps['volumes'] {
  return {
    find: async (deployment, member) => {
      try {
        return await ebs.find(deployment, member);
      } catch (error) {
        if (!isHoldfastError(error, 'PermissionDenied')) throw error;
        throw new HoldfastError('PermissionDenied', error.message, {
          cause: error,
          next: `Use credentials of AWS that may ${describing}. The stage's own roles are not tried here.`,
        });
      }
    },
    openedBy: () => Promise.resolve(undefined),
  };
}

/** @param problem why AWS can't be asked for secrets and buckets; undefined when it can */
function withoutUnreachable(settings: Settings, problem: string | undefined, region: string | undefined): Tried {
  const notChecked = ['The bucket of the state: the stack makes it.'];
  const asked = <Of extends StorageSettings | DeploymentSettings>(
    named: Readonly<Record<string, Of>>,
    why: (one: Of) => string | undefined,
  ): Record<string, Of> =>
    Object.fromEntries(
      Object.entries(named).filter(([, one]) => {
        const reason = why(one);
        if (reason !== undefined) notChecked.push(reason);
        return reason === undefined;
      }),
    );
  const storages = asked(settings.storages, (storage) => {
    if (storage.type !== 's3') return undefined;
    if (storage.bucket === undefined) return `The storage ${storage.name}: the stack makes its bucket.`;
    const own = storage.credentials !== undefined && typeof storage.credentials !== 'string';
    return problem === undefined || own ? undefined : `The storage ${storage.name}: ${problem}. ${howToAsk}.`;
  });
  const deployments = asked(settings.deployments, ({ name, credentials }) =>
    problem === undefined || typeof credentials !== 'string'
      ? undefined
      : `The deployment ${name}: its credentials are a secret of AWS (${problem}). ${howToAsk}.`,
  );
  const inRegion = Object.entries(storages).map(([name, storage]) => [
    name,
    storage.type === 's3' && storage.region === undefined && region !== undefined ? { ...storage, region } : storage,
  ]);
  return {
    settings: { ...settings, deployments, storages: Object.fromEntries(inRegion) as Settings['storages'] },
    notChecked,
  };
}
