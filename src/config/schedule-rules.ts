import * as z from 'zod';
import { cronProblem, isTimezone } from './aws-cron.ts';
import { nearestWord, type ProblemWithoutPlace } from './config-problems.ts';

const text = z.string().optional().catch(undefined);

/** What the rules look at; what the schema refuses is left out. */
export const scheduleRuleInput = z.record(
  z.string(),
  z.object({ cron: text, timezone: text, storage: text, method: text }).catch({}),
);

/**
 * Rules for the schedules of one deployment.
 * @param storages names of those that there are
 * @param onAws whether the config is one of a stage on AWS: elsewhere nothing would start them
 */
export function scheduleProblems(
  deployment: string,
  schedules: z.infer<typeof scheduleRuleInput>,
  storages: readonly string[],
  onAws: boolean,
): ProblemWithoutPlace[] {
  if (!onAws && Object.keys(schedules).length > 0) {
    const next = 'Add network and deploy the stack, or remove schedules and start backups by cron on this machine.';
    const path = ['deployments', deployment, 'schedules'];
    return [{ path, given: 'schedules', expected: 'no schedules: they run on AWS alone', next }];
  }
  return Object.entries(schedules).flatMap(([name, { cron, timezone, storage }]) => {
    const at = (key: string) => ['deployments', deployment, 'schedules', name, key];
    const problems: ProblemWithoutPlace[] = [];
    const expected = cron === undefined ? undefined : cronProblem(cron);
    if (cron !== undefined && expected !== undefined) {
      const next = 'Write it as EventBridge Scheduler does, such as "0 2 * * ? *" for 02:00 every day.';
      problems.push({ path: at('cron'), given: cron, expected, next });
    }
    if (timezone !== undefined && !isTimezone(timezone)) {
      const next = 'Write an IANA name, such as Europe/Berlin.';
      problems.push({ path: at('timezone'), given: timezone, expected: 'the name of a time zone', next });
    }
    if (storage !== undefined && !storages.includes(storage)) {
      const near = nearestWord(storage, storages);
      const next = near === undefined ? 'Add the storage, or name another.' : `Did you mean ${near}?`;
      problems.push({ path: at('storage'), given: storage, expected: `one of ${storages.join(', ')}`, next });
    }
    return problems;
  });
}
