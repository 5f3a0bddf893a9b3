import { stateKeys } from '../../src/domain/names.ts';
import { backupPlanSchema } from '../../src/domain/run.ts';
import { topologySchema } from '../../src/domain/topology.ts';
import type { Screen } from './screen.ts';
import { readRunDocument } from './state-transitions.ts';

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
