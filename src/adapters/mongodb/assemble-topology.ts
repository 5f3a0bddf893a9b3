import type { Document } from 'mongodb';
import type { OpTime, Timestamp } from '../../domain/timestamp.ts';
import type { Member, TopologyPart } from '../../domain/topology.ts';
import type { MemberProbe } from './member-probe.ts';

/** Turns the answers of servers into the topology of the domain: no input or output, so it is tested with answers alone. */

/** The driver's Timestamp as the domain's. */
export function toTimestamp(value: unknown): Timestamp | null {
  if (typeof value !== 'object' || value === null || !('t' in value) || !('i' in value)) return null;
  return { t: Number(value.t), i: Number(value.i) };
}

/** `{ts, t}` as servers write optimes; null for the null optime of a member that has none. */
export function toOpTime(value: unknown): OpTime | null {
  if (typeof value !== 'object' || value === null || !('ts' in value) || !('t' in value)) return null;
  const ts = toTimestamp(value.ts);
  return ts === null || (ts.t === 0 && ts.i === 0) ? null : { ts, t: Number(value.t) };
}

const documents = (value: unknown): Document[] => (Array.isArray(value) ? (value as Document[]) : []);

/** The probe whose view of the set counts: the primary's, else the one that has applied most. */
export function reporterOf(probes: readonly MemberProbe[]): MemberProbe | undefined {
  const rank = (probe: MemberProbe): number => {
    const applied = toOpTime((probe.hello?.['lastWrite'] as Document | undefined)?.['opTime']);
    return probe.hello?.['isWritablePrimary'] === true ? Infinity : (applied?.ts.t ?? 0);
  };
  return probes
    .filter((probe) => probe.replSetConfig !== null && probe.replSetStatus !== null)
    .sort((a, b) => rank(b) - rank(a))[0];
}

interface MemberViews {
  /** members[] of the set's config. */
  readonly configured: Document;
  /** members[] of the reporter's status: how the set sees it. */
  readonly seen: Document | undefined;
  /** What it says itself. */
  readonly probe: MemberProbe | undefined;
  /** The optime of the primary, or where there is none the newest of all members. */
  readonly head: OpTime | null;
}

function ownState(probe: MemberProbe | undefined): string | undefined {
  const self = documents(probe?.replSetStatus?.['members']).find((member) => member['self'] === true);
  return self?.['stateStr'] as string | undefined;
}

function explainUnreachable({ configured, seen, probe }: MemberViews): string | null {
  if (probe === undefined || probe.unreachable === null) return null;
  const reason = probe.unreachable.message.replace(/[.]?$/, '.');
  if (seen?.['health'] !== 1) return reason;
  const explanation =
    probe.unreachable.name === 'SourceUnreachable'
      ? `the address in the replica set config (${String(configured['host'])}) must be one that this machine reaches, too`
      : 'its users may be behind those of the primary';
  return `${reason} The set itself sees it as ${String(seen['stateStr'])}: ${explanation}.`;
}

/** What the set's config says of a member; servers leave out what is default. */
function configuredProperties(configured: Document) {
  const { priority = 1, votes = 1, tags = {}, secondaryDelaySecs, slaveDelay } = configured;
  return {
    host: String(configured['host']),
    hidden: configured['hidden'] === true,
    arbiter: configured['arbiterOnly'] === true,
    buildIndexes: configured['buildIndexes'] !== false,
    priority: Number(priority),
    votes: Number(votes),
    // 4.4 calls it slaveDelay.
    delaySeconds: Number(secondaryDelaySecs ?? slaveDelay ?? 0),
    tags: tags as Record<string, string>,
  };
}

/** Servers name none by an empty text. */
function syncSourceOf(seen: Document | undefined): Pick<Member, 'syncSource'> {
  const syncSource: unknown = seen?.['syncSourceHost'];
  return typeof syncSource === 'string' && syncSource !== '' ? { syncSource } : {};
}

function dataPlaceOf(probe: MemberProbe | undefined): Pick<Member, 'dataPlace'> {
  return probe?.dataPlace ? { dataPlace: probe.dataPlace } : {};
}

function toMember(views: MemberViews): Member {
  const { configured, seen, probe, head } = views;
  const unreachable = explainUnreachable(views);
  const optime = toOpTime(seen?.['optime']);
  const reached = unreachable === null;
  return {
    ...configuredProperties(configured),
    state: reached ? (ownState(probe) ?? String(seen?.['stateStr'] ?? 'UNKNOWN')) : 'UNREACHABLE',
    healthy: seen?.['health'] === 1,
    optime,
    lagSeconds: optime === null || head === null ? null : Math.max(0, head.ts.t - optime.ts.t),
    oplogWindowSeconds: probe?.oplog?.windowSeconds ?? null,
    ...(probe?.oplog && { oplogUsedFraction: probe.oplog.usedFraction }),
    ...syncSourceOf(seen),
    ...dataPlaceOf(probe),
    unreachable,
  };
}

/** Both optimes come from the same answer of one server: two answers at two moments would make a lag of their own. */
function headOf(seen: readonly Document[]): OpTime | null {
  const optimes = seen.map((member) => ({ primary: member['state'] === 1, optime: toOpTime(member['optime']) }));
  const newest = optimes.flatMap(({ optime }) => optime ?? []).sort((a, b) => b.ts.t - a.ts.t)[0];
  return optimes.find(({ primary }) => primary)?.optime ?? newest ?? null;
}

const hostKey = (host: unknown) => String(host).toLowerCase();

/** The hosts of the set's config. */
export function configuredHosts(reporter: MemberProbe): string[] {
  return documents(reporter.replSetConfig?.['members']).map((member) => String(member['host']));
}

/** @param probes of every configured host; `reporter` is one of them (see {@link reporterOf}). */
export function assembleReplicaSet(reporter: MemberProbe, probes: readonly MemberProbe[]): TopologyPart {
  const config = reporter.replSetConfig ?? {};
  const status = reporter.replSetStatus ?? {};
  const seen = documents(status['members']);
  const head = headOf(seen);
  const name = String(config['_id']);
  const settings = config['settings'] as { replicaSetId?: { toHexString(): string } } | undefined;
  const number = (value: unknown) => (value === undefined ? null : Number(value));
  return {
    name,
    role: 'replicaSet',
    replicaSet: name,
    replicaSetId: settings?.replicaSetId?.toHexString() ?? null,
    term: number(status['term']),
    configVersion: number(config['version']),
    majorityVoteCount: number(status['majorityVoteCount']),
    writeMajorityCount: number(status['writeMajorityCount']),
    majorityOpTime: toOpTime((status['optimes'] as Document | undefined)?.['lastCommittedOpTime']),
    members: documents(config['members']).map((configured) =>
      toMember({
        configured,
        seen: seen.find((member) => hostKey(member['name']) === hostKey(configured['host'])),
        probe: probes.find((probe) => hostKey(probe.host) === hostKey(configured['host'])),
        head,
      }),
    ),
  };
}

/** The one part of a standalone: one member without the properties of a set. */
export function assembleStandalone(probe: MemberProbe): TopologyPart {
  const member: Member = {
    host: probe.host,
    state: 'STANDALONE',
    healthy: true,
    hidden: false,
    arbiter: false,
    buildIndexes: true,
    priority: 0,
    votes: 0,
    delaySeconds: 0,
    tags: {},
    optime: null,
    lagSeconds: null,
    oplogWindowSeconds: null,
    ...dataPlaceOf(probe),
    unreachable: null,
  };
  return {
    name: 'standalone',
    role: 'standalone',
    replicaSet: null,
    replicaSetId: null,
    term: null,
    configVersion: null,
    majorityVoteCount: null,
    writeMajorityCount: null,
    majorityOpTime: null,
    members: [member],
  };
}
