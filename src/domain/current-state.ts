/** A task state that an execution entered or left. */
export type TaskStep = { readonly entered: string } | { readonly exited: string };

/**
 * The task that the run is in, or was in when it failed: of several at once the one that was entered first, because a dump
 * says more than the capture loop beside it. After a failure the clean-up is not it.
 * @param steps in the order in which they happened; what is no step of a task is undefined
 */
export function currentState(steps: readonly (TaskStep | undefined)[]): string | null {
  const entered: string[] = [];
  const left = new Map<string, number>();
  for (const step of steps) {
    if (step === undefined) continue;
    if ('exited' in step) left.set(step.exited, (left.get(step.exited) ?? 0) + 1);
    else if (step.entered === 'Record Failure') break;
    else entered.push(step.entered);
  }
  return firstOpen(entered, left) ?? entered.at(-1) ?? null;
}

/** The first task that was entered more often, up to there, than it was left. */
function firstOpen(tasks: readonly string[], left: ReadonlyMap<string, number>): string | undefined {
  const entered = new Map<string, number>();
  return tasks.find((name) => {
    const times = (entered.get(name) ?? 0) + 1;
    entered.set(name, times);
    return times > (left.get(name) ?? 0);
  });
}
