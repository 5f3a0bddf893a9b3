import { expect } from 'vitest';

import { loadStateMachine } from '../../local/states-language/load-state-machine.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { invoke, machineOf } from './run-machine.ts';

/** `path: message` of every problem; empty when the machine loads. */
export function problemsOf(text: string, substitutions: Record<string, string> = {}): readonly string[] {
  try {
    loadStateMachine(text, substitutions);
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.name !== 'InvalidStateMachine') throw error;
    const problems = error.details['problems'] as readonly { path: string; message: string }[];
    for (const { path, message } of problems) expect(error.message).toContain(`${path}: ${message}`);
    return problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

export const pass = (fields: object) => machineOf({ A: { Type: 'Pass', ...fields, End: true } });
export const task = (fields: object) => machineOf({ A: invoke('f', { End: true, ...fields }) });
export const inner = { StartAt: 'I', States: { I: { Type: 'Succeed' } } };
export const map = (fields: object) => machineOf({ A: { Type: 'Map', ItemProcessor: inner, End: true, ...fields } });
export const wait = (fields: object) => machineOf({ A: { Type: 'Wait', ...fields, End: true } });
export const fail = (fields: object) => machineOf({ A: { Type: 'Fail', ...fields } });
export const choice = (rule: unknown) =>
  machineOf({ A: { Type: 'Choice', Choices: [rule], Default: 'B' }, B: { Type: 'Succeed' } });
export const retry = (fields: object) => task({ Retry: [{ ErrorEquals: ['E'], ...fields }] });
export const catching = (fields: object) =>
  machineOf({
    A: invoke('f', { Catch: [{ ErrorEquals: ['E'], Next: 'B', ...fields }], End: true }),
    B: { Type: 'Succeed' },
  });
