import { describe, expect, it } from 'vitest';
import type { InterruptSignal } from '../../../cli/environment.ts';
import { progressBar, progressText } from '../../../cli/output/progress-text.ts';
import type { RunStatus } from '../../../src/application/ports/holdfast-client.ts';
import { fakeClient, makeProgress, makeRun, runFake } from './fake-environment.ts';

/** A run that shows these statuses and then succeeds. */
const showing = (...changes: readonly Partial<RunStatus>[]) =>
  fakeClient({
    waitForRun: (_runId, onChange) => {
      for (const change of changes) onChange?.(makeRun({ status: 'running', endedAt: null, ...change }));
      return Promise.resolve(makeRun());
    },
  });

describe('progress', () => {
  it('says part, phase, share, documents, rate and time left', () => {
    expect(progressText(makeProgress())).toBe(
      'rs0 dump: 768 MiB of 1 GiB (75%), 1,234,567 documents, 100 MiB/s, 2.5 s left',
    );
  });

  it('leaves out what is not known', () => {
    const progress = makeProgress({ totalBytes: null, etaSeconds: null });
    expect(progressText(progress)).toBe('rs0 dump: 768 MiB, 1,234,567 documents, 100 MiB/s');
    expect(progressBar(progress, 10)).toBe('');
  });

  it('never shows more than all, when more was there than the server had said', () => {
    const progress = makeProgress({ rawBytes: 2 ** 31 });
    expect(progressBar(progress, 4)).toBe('[####] ');
    expect(progressText(progress)).toContain('(100%)');
  });

  it('is a line per state and phase where stderr is no terminal', async () => {
    const client = showing(
      { state: 'Inspect Deployment' },
      { state: 'Inspect Deployment' },
      { state: 'Dump Collections', progress: [makeProgress()] },
      { state: 'Dump Collections', progress: [makeProgress({ rawBytes: 1 << 30 })] },
      { state: 'Dump Collections', progress: [makeProgress({ phase: 'capture' })] },
    );
    const { stderr } = await runFake(['backup'], { client });
    expect(stderr.split('\n').map((line) => line.replace(/^\S+Z /, ''))).toEqual([
      'run run-1',
      'Inspect Deployment',
      'Dump Collections',
      progressText(makeProgress()),
      progressText(makeProgress({ phase: 'capture' })),
      '',
    ]);
  });

  it('tells each try that failed once, on a line of its own whatever it says', async () => {
    const error = { name: 'SourceUnreachable', code: 'HF-2001', message: 'db-3 failed:\nno answer', next: 'Look.' };
    const failed = (attempt: number) => ({
      state: 'Dump Collections',
      lastFailure: { state: 'Dump Collections.rs0', attempt, at: `2026-11-22T10:00:0${attempt}.000Z`, error },
    });
    const { stderr } = await runFake(['backup'], { client: showing(failed(1), failed(1), failed(2)) });
    expect(stderr.split('\n').map((line) => line.replace(/^\S+Z /, ''))).toEqual([
      'run run-1',
      'Dump Collections',
      'Dump Collections.rs0 failed (try 1, SourceUnreachable) and is tried again: db-3 failed:\\x0ano answer',
      'Dump Collections.rs0 failed (try 2, SourceUnreachable) and is tried again: db-3 failed:\\x0ano answer',
      '',
    ]);
  });

  it('says every half minute of a long phase that it goes on', async () => {
    let seconds = 0;
    const now = () => new Date(1e12 + (seconds += 11) * 1000);
    const client = showing(...Array.from({ length: 9 }, () => ({ progress: [makeProgress()] })));
    const { stderr } = await runFake(['backup'], { client, now });
    const lines = stderr.split('\n').filter((line) => line.includes('rs0 dump'));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.length).toBeLessThan(9);
  });

  it('is a bar with rate and time left on a terminal', async () => {
    const client = showing({ state: 'Dump Collections', progress: [makeProgress()] });
    const { stderr } = await runFake(['backup'], { client, tty: true });
    expect(stderr).toContain('[##################------] rs0 dump: 768 MiB of 1 GiB (75%)');
    expect(stderr).toContain('Dump Collections\n');
  });

  it('is nothing with --quiet', async () => {
    const client = showing({ progress: [makeProgress()] });
    expect((await runFake(['backup', '--quiet'], { client, tty: true })).stderr).toBe('');
  });
});

describe('Ctrl-C', () => {
  /** Presses at these times, in milliseconds, while the run goes on; the run then ends as cancelled. */
  const press = (...times: readonly number[]) => signalled('SIGINT', ...times);

  async function signalled(signal: InterruptSignal, ...times: readonly number[]) {
    let handler: ((signal: InterruptSignal) => void) | undefined;
    let milliseconds = 0;
    const client = fakeClient({
      waitForRun: () => {
        for (const time of times) {
          milliseconds = time;
          handler?.(signal);
        }
        return Promise.resolve(makeRun({ status: 'cancelled', output: null }));
      },
    });
    const result = await runFake(['backup'], {
      client,
      now: () => new Date(1e12 + milliseconds),
      onInterrupt: (each) => {
        handler = each;
        return () => (handler = undefined);
      },
    });
    return { ...result, listening: handler !== undefined, cancels: client.asked.filter(([name]) => name === 'cancel') };
  }

  it('asks the run to cancel, waits for its clean-up and exits as cancelled', async () => {
    const result = await press(0);
    expect(result).toMatchObject({ code: 9, left: undefined, listening: false, cancels: [['cancel', 'run-1']] });
    expect(result.stderr).toContain('cancelling');
  });

  it('counts as one when the same keystroke arrives twice', async () => {
    expect(await press(0, 3)).toMatchObject({ left: undefined, cancels: [['cancel', 'run-1']] });
  });

  it('is what a terminal that hangs up means, which never leaves at once', async () => {
    expect(await signalled('SIGHUP', 0, 3000)).toMatchObject({ left: undefined, cancels: [['cancel', 'run-1']] });
  });

  it('leaves at once the second time, and says who cleans up', async () => {
    const result = await press(0, 3000);
    expect(result).toMatchObject({ left: 130, cancels: [['cancel', 'run-1']] });
    expect(result.stderr).toContain('the next start of holdfast cleans up after run run-1');
  });
});
