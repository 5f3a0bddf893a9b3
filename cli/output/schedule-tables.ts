import { nextRuns } from '../../src/config/aws-cron.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { renderTable } from './tables.ts';

const shown = 3;

/** When the schedules of a config start next; undefined when it has none. */
export function renderSchedules(settings: Settings, now: Date): string | undefined {
  const rows = Object.values(settings.deployments).flatMap(({ name, schedules = {} }) =>
    Object.entries(schedules).map(([schedule, { cron, timezone }]) => [
      name,
      schedule,
      `${cron} ${timezone}`,
      nextRuns(cron, timezone, now, shown)
        .map((run) => run.toISOString().slice(0, 16).replace('T', ' '))
        .join(', ') || 'never',
    ]),
  );
  if (rows.length === 0) return undefined;
  return renderTable(['deployment', 'schedule', 'cron', 'next runs (UTC)'], rows);
}
