import { type Base, baseSchema } from '../domain/base.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import { lockFrom } from '../domain/object-lock.ts';
import { type BackupPlan, restoreTimeSchema } from '../domain/run.ts';
import { backupRunSchema } from '../domain/run-documents.ts';
import { type OpTime, opTimeSchema, type Timestamp, timestampToDate } from '../domain/timestamp.ts';
import { type Topology, type TopologyPart, topologySchema } from '../domain/topology.ts';
import { readChain } from '../engine/oplog/read-chain.ts';
import { requireUnbrokenRange } from '../domain/oplog-range.ts';
import { readDocument } from './documents.ts';
import type { ObjectStore } from './ports/object-store.ts';

export interface ManifestContext {
  readonly state: ObjectStore;
  readonly storage: ObjectStore;
  readonly fence: number;
  readonly finishedAt: Date;
  readonly toolVersion: string;
}

/** Everything that a run knows of its backup, but the seal. @throws OplogGap when a part's slices do not reach the restore time */
export async function assembleManifest(plan: BackupPlan, context: ManifestContext): Promise<Omit<Manifest, 'sha256'>> {
  const { state } = context;
  const run = await readDocument(state, stateKeys.runRequest(plan.runId), backupRunSchema);
  const topology = await readDocument(state, stateKeys.topology(plan.runId), topologySchema);
  const restoreTime = topology.kind === 'standalone' ? null : await readRestoreTime(plan.runId, state);
  const parts: ManifestPart[] = [];
  for (const planned of plan.parts) parts.push(await assemblePart(planned, plan, topology, restoreTime, context));
  const { deployment, backupId, method, methodReason, storage, requestedBy, labels } = plan;
  return {
    schemaVersion: 1,
    backupId,
    deployment,
    kind: topology.kind,
    method,
    methodReason,
    storage,
    run: plan.runId,
    fence: context.fence,
    requestedBy,
    labels,
    createdAt: run.startedAt,
    finishedAt: context.finishedAt.toISOString(),
    restoreTime,
    restoreTimeWall: restoreTime && timestampToDate(restoreTime).toISOString(),
    serverVersion: topology.serverVersion,
    featureCompatibilityVersion: topology.featureCompatibilityVersion,
    toolVersion: context.toolVersion,
    usersAndRoles: parts.some(({ base }) => holdsUsers(base)),
    ...(plan.objectLock && { objectLock: lockFrom(plan.objectLock, context.finishedAt) }),
    warnings: [...plan.parts.flatMap((part) => part.warnings), ...parts.flatMap(({ base }) => base.warnings ?? [])],
    totals: totalsOf(parts, (context.finishedAt.getTime() - Date.parse(run.startedAt)) / 1000),
    parts,
  };
}

async function readRestoreTime(runId: string, state: ObjectStore): Promise<Timestamp> {
  return (await readDocument(state, stateKeys.restoreTime(runId), restoreTimeSchema)).restoreTime;
}

async function assemblePart(
  planned: BackupPlan['parts'][number],
  plan: BackupPlan,
  topology: Topology,
  restoreTime: Timestamp | null,
  { state, storage }: ManifestContext,
): Promise<ManifestPart> {
  const { name, memberReason, memberVerdicts } = planned;
  const base = await readDocument(state, stateKeys.base(plan.runId, name), baseSchema);
  const prefix = artifactKeys.oplog(artifactKeys.part(plan.deployment, plan.backupId, name));
  return {
    name,
    topology: partOf(topology, name),
    member: base.member,
    memberReason,
    memberVerdicts,
    base,
    point: restoreTime && (await readDocument(state, stateKeys.point(plan.runId, name), opTimeSchema)),
    oplog: restoreTime && base.captureFrom && (await oplogOf(prefix, base.captureFrom, restoreTime, storage)),
  };
}

/** @throws OplogGap */
async function oplogOf(
  prefix: string,
  captureFrom: OpTime,
  restoreTime: Timestamp,
  storage: ObjectStore,
): Promise<ManifestPart['oplog']> {
  // A transaction that began before the capture puts slices in front of where it started.
  const chain = await readChain(storage, prefix, captureFrom);
  const from = chain[0]?.from ?? captureFrom;
  const slices = requireUnbrokenRange(chain, from, restoreTime);
  return { from, to: slices.at(-1)?.to ?? from, slices };
}

function partOf(topology: Topology, name: string): TopologyPart {
  const part = topology.parts.find((candidate) => candidate.name === name);
  if (part) return part;
  throw new HoldfastError('Internal', `the plan has a part ${name} that the topology has not`);
}

/** Files hold everything that the member has. */
function holdsUsers(base: Base): boolean {
  return base.method !== 'logical' || base.namespaces.some(({ ns }) => ns === 'admin.system.users');
}

function totalsOf(parts: readonly ManifestPart[], seconds: number): Manifest['totals'] {
  const sum = (value: (part: ManifestPart) => number): number => parts.reduce((total, part) => total + value(part), 0);
  const slices = (part: ManifestPart, field: 'size' | 'entries' | 'rawBytes'): number =>
    (part.oplog?.slices ?? []).reduce((total, slice) => total + slice[field], 0);
  const counted = parts.every(({ base }) => base.method === 'logical');
  return {
    namespaces: counted ? sum(({ base }) => (base.method === 'logical' ? base.namespaces.length : 0)) : null,
    documents: counted ? sum(({ base }) => (base.method === 'logical' ? base.documents : 0)) : null,
    rawBytes: sum((part) => part.base.rawBytes),
    storedBytes: sum((part) => (part.base.method === 'snapshot' ? 0 : part.base.storedBytes) + slices(part, 'size')),
    oplogEntries: sum((part) => slices(part, 'entries')),
    seconds: Math.max(0, seconds),
  };
}
