import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { bind, stepSchema } from '../../../src/application/bind.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { stepErrorSchema } from '../../../src/domain/run-documents.ts';
import { type BackupWorld, keysOf, makeWorld, step } from '../../support/backup-world.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});
const input = stepSchema.extend({ fence: z.int() });
const run = (useCase: () => Promise<unknown>, payload: unknown, signal?: AbortSignal) =>
  bind(useCase, input)(world.deps)(payload, signal);
const errorsOf = () => keysOf(world.state, 'runs/run-1/errors/');

describe('a bound use case', () => {
  test('gets a checked payload and hands its result on', async () => {
    const payload = { ...step('run-1', 'Acquire Lease'), fence: 3 };
    const bound = bind((given: z.output<typeof input>) => Promise.resolve(given.fence + 1), input);
    expect(await bound(world.deps)(payload)).toBe(4);
    expect(await errorsOf()).toEqual([]);
  });

  test('refuses a payload with all its problems, and keeps them in the run’s folder', async () => {
    const payload = { ...step('run-1', 'Acquire Lease', 1), fence: 'three', stranger: 1 };
    await expect(run(() => Promise.resolve(1), payload)).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringMatching(/stranger[\s\S]*fence|fence[\s\S]*stranger/) as string,
    });
    expect(await errorsOf()).toEqual([stateKeys.error('run-1', 'acquire-lease', 2)]);
  });

  test('raises an error under its own name, kept with code and next step', async () => {
    const failure = () => Promise.reject(new HoldfastError('OplogGap', 'a hole', { details: { after: 3 } }));
    await expect(run(failure, { ...step('run-1', 'Capture Oplog'), fence: 1 })).rejects.toMatchObject({
      name: 'OplogGap',
    });
    const key = stateKeys.error('run-1', 'capture-oplog', 1);
    expect(await readDocument(world.state, key, stepErrorSchema)).toMatchObject({
      state: 'Capture Oplog',
      attempt: 1,
      error: { name: 'OplogGap', code: 'HF-2009', message: 'a hole' },
      details: { after: 3 },
      stack: null,
    });
  });

  test('calls a defect Internal, with its stack', async () => {
    const defect = () => Promise.reject(new TypeError('x is undefined'));
    await expect(run(defect, { ...step('run-1', 'Plan Backup'), fence: 1 })).rejects.toMatchObject({
      name: 'Internal',
    });
    const key = stateKeys.error('run-1', 'plan-backup', 1);
    const { stack } = await readDocument(world.state, key, stepErrorSchema);
    expect(stack).toContain('TypeError: x is undefined');
  });

  test('records nothing of a step that was stopped because another failed', async () => {
    const stop = AbortSignal.abort(new TypeError('a sibling failed'));
    const stopped = () => Promise.reject(new TypeError('a sibling failed'));
    await expect(run(stopped, { ...step('run-1'), fence: 1 }, stop)).rejects.toBeDefined();
    expect(await errorsOf()).toEqual([]);
  });

  test('raises the failure itself when it cannot be recorded', async () => {
    world.state.put = () => Promise.reject(new TypeError('no disk'));
    const failure = () => Promise.reject(new HoldfastError('OplogGap', 'a hole'));
    await expect(run(failure, { ...step('run-1'), fence: 1 })).rejects.toMatchObject({ name: 'OplogGap' });
  });
});
