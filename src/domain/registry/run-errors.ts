import { entry, type ErrorEntry } from '../error-entry.ts';

/** Runs and their workers. */
export const runErrors = {
  WorkerFailed: entry(
    'HF-7001',
    'worker',
    'The worker ended with an unexpected error.',
    'Read the run with `holdfast status RUN`; its errors are in the run folder.',
    true,
  ),
  WorkerLost: entry(
    'HF-7002',
    'worker',
    'The worker disappeared without an answer.',
    'The run starts it again by itself; if it keeps failing, look at memory and host.',
    true,
  ),
  StepTimedOut: entry(
    'HF-7003',
    'worker',
    'A step of the run took longer than it may.',
    'Look at the step that the message names and what it talks to, then start again.',
  ),
  Interrupted: entry(
    'HF-7004',
    'worker',
    'The process that ran the workflow ended before the run did.',
    'Start again: what a backup had written is removed; the target of a restore stays marked as incomplete.',
  ),
  Cancelled: entry(
    'HF-8001',
    'cancelled',
    'The run was cancelled.',
    'Nothing to do: a backup left nothing behind; the target of a restore stays marked as incomplete.',
  ),
  Internal: entry('HF-9001', 'internal', 'A defect of Holdfast.', 'Please report it with the run id.'),
} as const satisfies Record<string, ErrorEntry>;
