import { beforeEach, describe, expect, test } from 'vitest';
import type { ExecutionStarter } from '../../../src/application/ports/execution-starter.ts';
import { startRun } from '../../../src/application/start-run.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { runIdPattern } from '../../../src/domain/run.ts';
import { type BackupWorld, makeWorld } from '../../support/backup-world.ts';

let world: BackupWorld;
/** Inputs by run id, as Step Functions keeps them. */
let executions: Map<string, object>;
let started: string[];
beforeEach(() => {
  world = makeWorld();
  executions = new Map();
  started = [];
});

const starter: ExecutionStarter = {
  start: (_workflow, runId, input) => {
    if (!executions.has(runId)) {
      executions.set(runId, input);
      started.push(runId);
    }
    return Promise.resolve(executions.get(runId));
  },
  inputOf: (_workflow, runId) => Promise.resolve(executions.get(runId)),
};
const start = (request: object, idempotencyKey?: string, deployment = 'orders') =>
  startRun({ workflow: 'backup', deployment, request, idempotencyKey }, { ...world.deps, starter });
/** The first state of a run has begun. */
const begin = (runId: string) => world.state.put(stateKeys.runConfig(runId), Buffer.from('{}'));

describe('a run', () => {
  test('has an id of its own, which tells workflow and time, when no key comes with the request', async () => {
    const ids = await Promise.all([start({}), start({})]);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^backup-20261122T100000Z-[0-9a-f]{12}$/);
  });

  test('is one for each key, deployment and workflow', async () => {
    const [first, again, other] = await Promise.all([start({}, 'k'), start({}, 'k'), start({}, 'k', 'users')]);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(started.sort()).toEqual([first, other].sort());
    expect(first).toMatch(runIdPattern);
    expect(first.length).toBeLessThanOrEqual(80);
  });

  test('answers the same request of somebody else, and no other request', async () => {
    const first = await start({ method: 'logical', requestedBy: 'alice' }, 'k');
    expect(await start({ requestedBy: 'bob', method: 'logical' }, 'k')).toBe(first);
    await begin(first);
    await expect(start({ method: 'physical', requestedBy: 'alice' }, 'k')).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringContaining(first) as string,
    });
  });

  test('that Step Functions has forgotten is not started again', async () => {
    const first = await start({}, 'k');
    await begin(first);
    executions.clear();
    expect(await start({}, 'k')).toBe(first);
    expect(started).toEqual([first]);
  });
});
