import type { Manifest } from '../../src/domain/manifest.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { restoreResultSchema } from '../../src/domain/restore-result.ts';
import { backupPlanSchema } from '../../src/domain/run.ts';
import { topologySchema } from '../../src/domain/topology.ts';
import { formatSeconds, type Screen } from './screen.ts';
import { readRunDocument } from './state-transitions.ts';
import { formatBytes, formatCount } from './units.ts';

/** The members of the set as the run found them, and what became of each; from the run's own documents. */
export async function showMembers(screen: Screen, stateDir: string, runId: string): Promise<void> {
  const topology = topologySchema.parse(await readRunDocument(stateDir, stateKeys.topology(runId)));
  const plan = backupPlanSchema.parse(await readRunDocument(stateDir, stateKeys.plan(runId)));
  const rows = plan.parts.flatMap((part) => {
    const members = topology.parts.find(({ name }) => name === part.name)?.members ?? [];
    return part.memberVerdicts.map(({ host, reason }) => {
      const member = members.find((each) => each.host === host);
      const kind = member?.hidden ? `hidden, votes ${member.votes}` : `priority ${member?.priority ?? '?'}`;
      return [host, member?.state ?? '?', kind, host === part.member ? '→ is read' : 'not read', reason];
    });
  });
  screen.table(['member', 'state', '', '', 'why'], rows);
  screen.note(`Method ${plan.method}: ${plan.methodReason}`);
}

/** What the restore did, phase by phase; from the result that its worker wrote. */
export async function showRestored(screen: Screen, stateDir: string, runId: string, manifest: Manifest): Promise<void> {
  for (const { name } of manifest.parts) {
    const result = restoreResultSchema.parse(await readRunDocument(stateDir, stateKeys.restoreResult(runId, name)));
    const { documents, rawBytes, indexes, oplog, usersAndRoles, seconds } = result;
    const did: Readonly<Record<string, string>> = {
      load: `${formatCount(documents)} documents, ${formatBytes(rawBytes)}`,
      replay: `${formatCount(oplog.entries)} oplog entries`,
      indexes: `${indexes} indexes`,
      users: `${usersAndRoles?.users ?? 0} users, ${usersAndRoles?.roles ?? 0} roles`,
    };
    const phases = Object.entries(seconds).filter(([, each]) => each >= 0.05);
    for (const [phase, each] of phases)
      screen.note(`${phase}: ${[...(did[phase] === undefined ? [] : [did[phase]]), formatSeconds(each)].join(', ')}`);
  }
}
