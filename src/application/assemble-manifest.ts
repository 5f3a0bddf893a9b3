import { logicalBaseSchema } from '../domain/base.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import { type BackupPlan, restoreTimeSchema } from '../domain/run.ts';
import { backupRunSchema } from '../domain/run-documents.ts';
import { opTimeSchema, type Timestamp, timestampToDate } from '../domain/timestamp.ts';
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
  const { restoreTime } = await readDocument(state, stateKeys.restoreTime(plan.runId), restoreTimeSchema);
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
    restoreTimeWall: timestampToDate(restoreTime).toISOString(),
    serverVersion: topology.serverVersion,
    featureCompatibilityVersion: topology.featureCompatibilityVersion,
    toolVersion: context.toolVersion,
    usersAndRoles: parts.some((part) => part.base.namespaces.some(({ ns }) => ns === 'admin.system.users')),
    warnings: [...plan.parts.flatMap((part) => part.warnings), ...parts.flatMap(({ base }) => base.warnings ?? [])],
    totals: totalsOf(parts, (context.finishedAt.getTime() - Date.parse(run.startedAt)) / 1000),
    parts,
  };
}

async function assemblePart(
  planned: BackupPlan['parts'][number],
  plan: BackupPlan,
  topology: Topology,
  restoreTime: Timestamp,
  { state, storage }: ManifestContext,
): Promise<ManifestPart> {
  const { name, memberReason, memberVerdicts } = planned;
  const base = await readDocument(state, stateKeys.base(plan.runId, name), logicalBaseSchema);
  const point = await readDocument(state, stateKeys.point(plan.runId, name), opTimeSchema);
  const prefix = artifactKeys.oplog(artifactKeys.part(plan.deployment, plan.backupId, name));
  // A transaction that began before the capture puts slices in front of where it started.
  const chain = await readChain(storage, prefix, base.captureFrom);
  const from = chain[0]?.from ?? base.captureFrom;
  const slices = requireUnbrokenRange(chain, from, restoreTime);
  return {
    name,
    topology: partOf(topology, name),
    member: base.member,
    memberReason,
    memberVerdicts,
    base,
    point,
    oplog: { from, to: slices.at(-1)?.to ?? from, slices },
  };
}

function partOf(topology: Topology, name: string): TopologyPart {
  const part = topology.parts.find((candidate) => candidate.name === name);
  if (part) return part;
  throw new HoldfastError('Internal', `the plan has a part ${name} that the topology has not`);
}

function totalsOf(parts: readonly ManifestPart[], seconds: number): Manifest['totals'] {
  const sum = (value: (part: ManifestPart) => number): number => parts.reduce((total, part) => total + value(part), 0);
  const slices = (part: ManifestPart, field: 'size' | 'entries' | 'rawBytes'): number =>
    part.oplog.slices.reduce((total, slice) => total + slice[field], 0);
  return {
    namespaces: sum((part) => part.base.namespaces.length),
    documents: sum((part) => part.base.documents),
    rawBytes: sum((part) => part.base.rawBytes),
    storedBytes: sum((part) => part.base.storedBytes + slices(part, 'size')),
    oplogEntries: sum((part) => slices(part, 'entries')),
    seconds: Math.max(0, seconds),
  };
}
