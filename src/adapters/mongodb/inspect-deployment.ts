import type { Document } from 'mongodb';
import type { DeploymentInspector } from '../../application/ports/deployment-inspector.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { parseMongoUri } from '../../domain/mongodb-uri.ts';
import {
  missingPrivileges,
  type Privilege,
  requiredPrivileges,
  standalonePrivileges,
} from '../../domain/privileges.ts';
import { requireSupportedVersion } from '../../domain/server-version.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import type { Topology } from '../../domain/topology.ts';
import {
  assembleReplicaSet,
  assembleStandalone,
  configuredHosts,
  reporterOf,
  toTimestamp,
} from './assemble-topology.ts';
import { type MemberProbe, probeMember, type ProbeContext } from './member-probe.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from './resolve-credentials.ts';

/** No server could be asked: the credentials when any refused them, else the network, with the reason of every host. */
function nobodyAnswered(deployment: string, probes: readonly MemberProbe[]): HoldfastError {
  const failures = probes.flatMap(({ unreachable }) => unreachable ?? []);
  const first = failures.find(({ name }) => name === 'AuthenticationFailed') ?? failures[0];
  const reasons = failures.map(({ message }) => message).join('; ');
  return new HoldfastError(first?.name ?? 'SourceUnreachable', `Deployment ${deployment}: ${reasons}`, {
    cause: first,
    ...(first && { next: first.next }),
    details: { hosts: probes.map(({ host }) => host) },
  });
}

function requirePrivileges(deployment: string, probe: MemberProbe, needed: readonly Privilege[], anonymous: boolean) {
  if (probe.authInfo === null) return;
  if (anonymous) {
    throw new HoldfastError(
      'AuthenticationFailed',
      `Deployment ${deployment}: ${probe.host} demands a login, and the config names no credentials.`,
      { next: 'Name the backup user by credentials: { env: NAME } or { file: PATH }.' },
    );
  }
  const missing = missingPrivileges(probe.authInfo, needed);
  if (missing.length === 0) return;
  const user = probe.authInfo.authenticatedUsers.map(({ user, db }) => `${user} (of ${db})`).join(', ');
  throw new HoldfastError(
    'MissingPrivileges',
    `Deployment ${deployment}: the user ${user} lacks ${missing.length === 1 ? 'a privilege' : `${missing.length} privileges`}: ${missing.join('; ')}.`,
    {
      next: 'Give the user the role holdfastBackup; `holdfast config check --connect` prints the commands.',
      details: { missing, host: probe.host },
    },
  );
}

/** One deployment is one set: a URI that mixes two, or names another, would back up the wrong data. */
function requireOneSet(settings: DeploymentSettings, probes: readonly MemberProbe[]): void {
  const expected = parseMongoUri(settings.uri).options.get('replicaset');
  const names = new Map(
    probes.flatMap(({ host, hello }) =>
      hello === null ? [] : [[host, hello['setName'] as string | undefined] as const],
    ),
  );
  const seen = [...names].map(
    ([host, set]) => `${host} is ${set === undefined ? 'no member of a replica set' : `of ${set}`}`,
  );
  const distinct = new Set([...names.values(), ...(expected === undefined ? [] : [expected])]);
  if (distinct.size <= 1) return;
  throw new HoldfastError(
    'InvalidConfig',
    `Deployment ${settings.name}: the hosts of its URI are not all of one replica set: ${[
      ...(expected === undefined ? [] : [`replicaSet=${expected} is asked for`]),
      ...seen,
    ].join(', ')}.`,
    { next: 'Correct hosts and replicaSet of the URI.' },
  );
}

function requireInitiated(settings: DeploymentSettings, hello: Document | null): void {
  if (hello?.['isreplicaset'] !== true) return;
  throw new HoldfastError(
    'UnsupportedTopology',
    `Deployment ${settings.name} was started with a replica set name and is not initiated.`,
    { next: 'Initiate the set (rs.initiate()), then back up.' },
  );
}

const isCluster = ({ hello }: MemberProbe) => hello?.['msg'] === 'isdbgrid' || hello?.['configsvr'] !== undefined;

const latestClusterTime = (probe: MemberProbe) =>
  toTimestamp((probe.replSetStatus?.['$clusterTime'] as Document | undefined)?.['clusterTime']);

/** Looks at a deployment over direct connections to each of its members, with the backup user's credentials. */
export class MongoDeploymentInspector implements DeploymentInspector {
  readonly #options: ResolveCredentialsOptions;

  constructor(options: ResolveCredentialsOptions = {}) {
    this.#options = options;
  }

  async inspect(settings: DeploymentSettings, signal?: AbortSignal): Promise<Topology> {
    const credentials = await resolveCredentials(settings.credentials, this.#options);
    const context: ProbeContext = { settings, credentials, signal };
    const seeds = [...new Set(parseMongoUri(settings.uri).hosts)];
    const probes = await Promise.all(seeds.map((host) => probeMember(host, context)));
    if (probes.every(({ hello }) => hello === null)) throw nobodyAnswered(settings.name, probes);
    if (probes.some(isCluster)) return this.#sharded(probes);
    requireOneSet(settings, probes);
    const answered = probes.filter(({ unreachable, hello }) => unreachable === null && hello?.['arbiterOnly'] !== true);
    const [first] = answered;
    if (first === undefined) throw nobodyAnswered(settings.name, probes);
    requireInitiated(settings, first.hello);
    return first.hello?.['setName'] === undefined
      ? this.#standalone(settings, first, credentials === undefined)
      : this.#replicaSet(settings, probes, context);
  }

  /** Recognised, and left to the method choice, which refuses it in this release. */
  #sharded(probes: readonly MemberProbe[]): Topology {
    const version = probes.find((probe) => probe.version !== null)?.version ?? '';
    return {
      schemaVersion: 1,
      kind: 'sharded',
      serverVersion: version,
      featureCompatibilityVersion: '',
      parts: [],
      clusterTime: null,
    };
  }

  #standalone(settings: DeploymentSettings, probe: MemberProbe, anonymous: boolean): Topology {
    requirePrivileges(settings.name, probe, standalonePrivileges(settings), anonymous);
    return this.#topology('standalone', probe, assembleStandalone(probe));
  }

  async #replicaSet(
    settings: DeploymentSettings,
    seeds: readonly MemberProbe[],
    context: ProbeContext,
  ): Promise<Topology> {
    const answered = seeds.filter(({ unreachable, hello }) => unreachable === null && hello?.['arbiterOnly'] !== true);
    for (const probe of answered) {
      requirePrivileges(settings.name, probe, requiredPrivileges(settings), context.credentials === undefined);
    }
    if (answered.some(({ isShard }) => isShard)) return this.#sharded(seeds);
    const first = reporterOf(seeds);
    if (first === undefined) {
      throw new HoldfastError(
        'SourceUnreachable',
        `Deployment ${settings.name}: ${answered.map(({ host }) => host).join(', ')} answered, but gave no replica set status.`,
      );
    }
    const known = new Set(seeds.map(({ host }) => host.toLowerCase()));
    const others = configuredHosts(first).filter((host) => !known.has(host.toLowerCase()));
    const probes = [...seeds, ...(await Promise.all(others.map((host) => probeMember(host, context))))];
    const reporter = reporterOf(probes) ?? first;
    return this.#topology('replicaSet', reporter, assembleReplicaSet(reporter, probes));
  }

  #topology(kind: Topology['kind'], reporter: MemberProbe, part: Topology['parts'][number]): Topology {
    const serverVersion = reporter.version ?? '';
    const featureCompatibilityVersion = reporter.featureCompatibilityVersion ?? '';
    requireSupportedVersion(reporter.host, serverVersion, featureCompatibilityVersion);
    return {
      schemaVersion: 1,
      kind,
      serverVersion,
      featureCompatibilityVersion,
      parts: [part],
      clusterTime: latestClusterTime(reporter),
    };
  }
}
