import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { keepYoungGenerationSmall } from '../../src/adapters/process/young-generation.ts';
import type { ArchivedSet, CheckedArchive, HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import { HoldfastError, isHoldfastError } from '../../src/domain/errors.ts';
import { formatTimestamp } from '../../src/domain/timestamp.ts';
import { renderArchivedSets, renderChecked } from '../output/archive-tables.ts';
import { formatCount, formatCountOf } from '../output/units.ts';
import { followRun } from '../follow-run.ts';
import type { ProgramOptions } from '../command-runner.ts';
import type { CommandSession } from '../session.ts';

/** Between two turns, in milliseconds: an application loses no more than what it wrote in them. */
const interval = 10_000;

export function registerArchive(program: Command, { run }: ProgramOptions): void {
  program
    .command('archive')
    .description('archive the oplog of a deployment, every 10 seconds until Ctrl-C; on AWS a rule does it every minute')
    .argument('<deployment>', 'with oplogArchive in the config')
    .option('--once', 'until everything there is now is archived; for cron')
    .option(
      '--check',
      'only look whether every slice is there, whole, and leads on; while the archive goes on, once a day',
    )
    .action(async (deployment: string, flags: ArchiveFlags, command: Command) => {
      keepYoungGenerationSmall();
      await run(command, (session) =>
        flags.check === true ? check(session, deployment) : archive(session, deployment, flags.once === true),
      );
    });
}

interface ArchiveFlags {
  readonly once?: boolean;
  readonly check?: boolean;
}

/** Of the check, between two turns of the archive: it must not hold them up. In seconds. */
const checkSeconds = 5;

/** Every slice of the deployment's archives, whenever it was done last. @throws VerificationFailed for a script to see */
async function check(session: CommandSession, deployment: string): Promise<void> {
  const client = await session.client();
  if (client.checkArchive === undefined)
    throw new HoldfastError('InvalidInput', 'The archive is checked by the stage itself, once a day.');
  const checked: CheckedArchive[] = [];
  for (let more = true, now = true; more; now = false) {
    const turn = await client.checkArchive({ deployment, seconds: 60, now });
    checked.push(...turn.filter(({ status }) => status !== 'notDue'));
    more = turn.some(({ status }) => status === 'more');
  }
  if (checked.length === 0) throw nothingArchived(deployment);
  session.print({ checked }, () => renderChecked(checked, session.environment.timeZone));
  const losses = checked.flatMap((one) => one.losses);
  const replaced = checked.flatMap((one) => one.replaced);
  if (losses.length === 0 && replaced.length > 0)
    throw new HoldfastError(
      'VerificationFailed',
      `Slices of the oplog archive of ${deployment} are whole, and others than were checked before: ${replaced.join(', ')}.`,
      { next: 'Nobody but who archives writes there: look who did. It is told once; a new backup needs none of them.' },
    );
  if (losses.length === 0) return;
  throw new HoldfastError('VerificationFailed', `Of the oplog archive of ${deployment} slices are lost or damaged.`, {
    next: 'Gaps are recorded: `holdfast window` shows what is left. Take a backup, and look who deletes in that storage.',
  });
}

function nothingArchived(deployment: string): HoldfastError {
  return new HoldfastError('InvalidInput', `The oplog archive of ${deployment} is off, or holds nothing yet.`, {
    next: 'Write oplogArchive: { enabled: true } below the deployment, and start `holdfast archive`.',
  });
}

async function archive(session: CommandSession, deployment: string, once: boolean): Promise<void> {
  const client = await session.client();
  if (client.archiveOplog === undefined)
    throw new HoldfastError(
      'InvalidInput',
      'The oplog is archived by the stage itself: a rule starts a turn every minute.',
    );
  if (once) {
    const sets = await catchUp(session, client, deployment);
    for (const { base } of sets) if (base?.runId) await followRun(session, client, base.runId);
    session.print({ sets }, () => renderArchivedSets(sets));
    return;
  }
  await keepArchiving(session, client, deployment);
}

/** Turn after turn, while one leaves something for the next. */
async function catchUp(
  session: CommandSession,
  client: HoldfastClient,
  deployment: string,
): Promise<readonly ArchivedSet[]> {
  for (;;) {
    const sets = (await client.archiveOplog?.(deployment)) ?? [];
    if (sets.length === 0)
      throw new HoldfastError('InvalidInput', `The oplog archive of ${deployment} is off.`, {
        next: 'Write oplogArchive: { enabled: true } below the deployment.',
      });
    for (const { turn, base } of sets) {
      if (turn.slices > 0)
        session.note(
          `${turn.replicaSet}: ${formatCount(turn.entries)} oplog entries in ${formatCountOf(turn.slices, 'slice')}, to ${turn.archivedTo ?? ''}`,
        );
      if (base?.runId) session.note(`${turn.replicaSet}: a gap was found; run ${base.runId} takes a new base`);
    }
    if (!sets.some(({ turn }) => turn.more)) return sets;
  }
}

/** Until Ctrl-C. What can go by is told and tried again: an archiver that gives up makes the gap that it is there to prevent. */
async function keepArchiving(session: CommandSession, client: HoldfastClient, deployment: string): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopListening = session.environment.onInterrupt(() => {
    stopping.abort();
  });
  const stopped = delay(2 ** 31 - 1, undefined, { signal, ref: false }).catch(() => undefined);
  try {
    while (!signal.aborted) {
      // At the end the session closes the product, which ends a turn that is under way.
      await Promise.race([stopped, oneRound(session, client, deployment)]);
      await delay(interval, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stopListening();
  }
}

async function oneRound(session: CommandSession, client: HoldfastClient, deployment: string): Promise<void> {
  try {
    await catchUp(session, client, deployment);
    const checked = (await client.checkArchive?.({ deployment, seconds: checkSeconds, now: false })) ?? [];
    for (const { replicaSet, losses, replaced } of checked) {
      for (const { after, before } of losses)
        session.note(
          `${replicaSet}: slices from ${formatTimestamp(after)} to ${formatTimestamp(before)} are lost or damaged: a gap is recorded`,
        );
      for (const key of replaced)
        session.note(`${replicaSet}: ${key} is whole, and another slice than was checked before`);
    }
  } catch (error) {
    if (isHoldfastError(error, 'InvalidInput', 'UnknownDeployment', 'Interrupted')) throw error;
    session.note(`not archived: ${error instanceof Error ? error.message : String(error)}`);
  }
}
