import cliProgress from 'cli-progress';
import type { RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { Progress } from '../../src/domain/run.ts';
import { printable } from './printable.ts';
import { failureText, progressBar, progressText } from './progress-text.ts';

/** Shows a run while it goes on. */
export interface ProgressDisplay {
  update(status: RunStatus): void;
  /** A line that stays. */
  note(line: string): void;
  close(): void;
}

export interface DisplayOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly quiet: boolean;
  readonly now: () => Date;
}

export function makeProgressDisplay(options: DisplayOptions): ProgressDisplay {
  if (options.quiet) return { update: () => undefined, note: () => undefined, close: () => undefined };
  return options.stream.isTTY === true ? barDisplay(options) : lineDisplay(options);
}

/** A long phase says in a log file that it is alive. */
const lineEveryMilliseconds = 30_000;

/** One line per state and per phase of a part, and one every 30 s of a long phase. */
function lineDisplay({ stream, now }: DisplayOptions): ProgressDisplay {
  const shown = new Map<string, { phase: string; at: number }>();
  const states = stateChanges();
  const note = (line: string) => {
    stream.write(`${now().toISOString().slice(0, 19)}Z ${line}\n`);
  };
  return {
    note,
    update: (status) => {
      states(status, note);
      for (const progress of status.progress) {
        const last = shown.get(progress.part);
        const at = now().getTime();
        if (last?.phase === progress.phase && at - last.at < lineEveryMilliseconds) continue;
        shown.set(progress.part, { phase: progress.phase, at });
        note(progressText(progress));
      }
    },
    close: () => undefined,
  };
}

/** Tells each state once, when the run enters it, and each try that failed. */
function stateChanges(): (status: RunStatus, tell: (line: string) => void) => void {
  let last: string | null = null;
  let lastFailure = '';
  return ({ state, lastFailure: failure }, tell) => {
    if (state !== null && state !== last) tell(printable(state));
    last = state ?? last;
    if (failure !== undefined && failure.at !== lastFailure) tell(failureText(failure));
    lastFailure = failure?.at ?? lastFailure;
  };
}

const barWidth = 24;

/** A bar per part with rate and time left; states scroll by above. */
function barDisplay({ stream }: DisplayOptions): ProgressDisplay {
  const bars = new cliProgress.MultiBar({
    stream,
    hideCursor: true,
    // The run decides what Ctrl-C means.
    gracefulExit: false,
    autopadding: false,
    format: (_options, _params, payload: { progress: Progress }) =>
      `${progressBar(payload.progress, barWidth)}${progressText(payload.progress)}`,
  });
  const byPart = new Map<string, cliProgress.SingleBar>();
  const states = stateChanges();
  const note = (line: string) => {
    // MultiBar writes logged lines only while it has a bar to draw again below them.
    if (byPart.size === 0) stream.write(`${line}\n`);
    else bars.log(`${line}\n`);
  };
  return {
    note,
    update: (status) => {
      states(status, note);
      for (const progress of status.progress) {
        const bar = byPart.get(progress.part);
        if (bar) bar.update({ progress });
        else byPart.set(progress.part, bars.create(1, 0, { progress }));
      }
    },
    close: () => {
      bars.update();
      bars.stop();
    },
  };
}
