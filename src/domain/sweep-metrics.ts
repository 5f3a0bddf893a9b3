/** What the sweep logs when it did something or could not: the stage makes metrics of the field `counts` beside it. */
export const sweptMessage = 'swept what earlier runs had left';

/** Metrics of a stage, by the field of the sweep's result that they count. */
export const sweepMetrics = {
  settledRuns: 'SettledRuns',
  releasedLeases: 'ReleasedLeases',
  settledVolumes: 'SettledVolumes',
  deletedSnapshots: 'DeletedSnapshots',
  problems: 'SweepProblems',
} as const;

export const metricNamespace = (stage: string): string => `Holdfast/${stage}`;
