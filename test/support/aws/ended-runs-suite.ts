import { expect, it } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { AwsStage } from './aws-stage.ts';

/** What is left of a backup that was stopped or cancelled after it had stored something: nothing. */
export function describeEndedRuns(stageOf: () => AwsStage): void {
  const artifacts = () => stageOf().bucket('Artifacts', 'holdfast/');
  const state = () => stageOf().bucket('State');
  const keysOf = async (store: ReturnType<typeof artifacts>, prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  };

  /** Starts a backup. @returns once it has stored something, with what was there before */
  async function backUpHalf(name: string) {
    const before = await keysOf(artifacts(), '');
    const execution = stageOf().startExecution('backup', name, { deployment: 'orders' });
    await until('something is stored', async () =>
      (await keysOf(artifacts(), '')).length > before.length ? true : undefined,
    );
    return { execution, before };
  }

  async function expectNothingLeft(name: string, before: readonly string[]): Promise<void> {
    expect(await keysOf(artifacts(), '')).toEqual(before);
    expect(await artifacts().discardUnfinished('')).toBe(0);
    expect(await keysOf(state(), stateKeys.checkpointsOfRun(name))).toEqual([]);
    expect(stageOf().workersOf(name)).not.toContain('RUNNING');
    expect(await state().head(stateKeys.settled(name))).toBeDefined();
    // The lease is free, and nobody has anything to finish.
    expect(await stageOf().invoke('sweep-runs', { source: 'aws.events' })).toEqual({
      ...{ settledRuns: [], releasedLeases: [], settledVolumes: [], deletedSnapshots: [], problems: [] },
    });
  }

  it('leaves nothing of an execution that was stopped', async () => {
    const { execution, before } = await backUpHalf('stopped-1');
    await execution.abort('an operator stopped it');
    const detail = { name: 'stopped-1', status: 'ABORTED' };
    expect(await stageOf().invoke('settle-ended-run', { source: 'aws.states', detail })).toEqual({ settled: true });
    await expectNothingLeft('stopped-1', before);
    // EventBridge delivers at least once.
    expect(await stageOf().invoke('settle-ended-run', { source: 'aws.states', detail })).toEqual({ settled: false });
  });

  it('leaves nothing of a run that was cancelled, and says that it was; a state run again started no second worker', async () => {
    const { execution, before } = await backUpHalf('cancelled-1');
    const task = (await state().get(stateKeys.task('cancelled-1', 'dump-rs0-1'))).body.toString('utf8');
    const { taskToken } = JSON.parse(task) as { taskToken: string };
    const again = {
      runId: 'cancelled-1',
      state: 'Dump Collections',
      retry: 0,
      command: 'dump',
      part: 'rs0',
      taskToken,
    };
    expect(await stageOf().invoke('launch-worker', again)).toEqual({ attempt: 1 });
    expect(stageOf().workersOf('cancelled-1')).toHaveLength(1);
    await state().put(stateKeys.cancel('cancelled-1'), Buffer.from('{}'));
    expect(await execution.result).toMatchObject({ status: 'FAILED', error: 'Cancelled' });
    const outcome = (await state().get(stateKeys.outcome('cancelled-1'))).body.toString('utf8');
    expect(JSON.parse(outcome)).toMatchObject({ status: 'cancelled' });
    await expectNothingLeft('cancelled-1', before);
  });
}
