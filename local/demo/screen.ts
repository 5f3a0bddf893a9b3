import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Where the demo speaks: sober colours and a moving line on a terminal, plain lines in order everywhere else. */
export interface Screen {
  /** What the chapter is about. */
  chapter(text: string): void;
  /** Something that is done: `✓ what   detail   1.2 s`. */
  done(what: string, detail?: string, seconds?: number): void;
  /** What is going on now: on a terminal it is replaced by what comes next, elsewhere it is left out. */
  now(text: string): void;
  note(text: string): void;
  table(header: readonly string[], rows: readonly (readonly string[])[]): void;
  verdict(text: string, good: boolean): void;
}

const labelWidth = 22;
const eraseLine = '\r\u001b[2K';

/** Columns as wide as their widest cell. */
export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const align = (row: readonly string[]) => row.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join('  ');
  return rows.map((row) => align(row).trimEnd());
}

export function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}

/** @param silenced once it is aborted nothing is written any more: what was interrupted goes on speaking for a while. */
export function openScreen(stream: NodeJS.WriteStream, silenced?: AbortSignal): Screen {
  const terminal = stream.isTTY;
  const paint = (style: Style, text: string) => styleText(style, text, { stream });
  let moving = false;
  const print = (text: string) => {
    if (silenced?.aborted === true) return;
    stream.write(`${moving ? eraseLine : ''}${text}\n`);
    moving = false;
  };
  return {
    chapter(text) {
      print(`\n${paint(['bold', 'cyan'], text)}`);
    },
    done(what, detail = '', seconds) {
      const time = seconds === undefined ? [] : [paint('dim', formatSeconds(seconds))];
      const rest = [...(detail === '' ? [] : [detail]), ...time].join('  ');
      print(`  ${paint('green', '✓')} ${what.padEnd(labelWidth)}  ${rest}`);
    },
    now(text) {
      if (!terminal || silenced?.aborted === true) return;
      const room = Math.max(20, (stream.columns || 80) - 6);
      stream.write(`${eraseLine}  ${paint('dim', `… ${text.slice(0, room)}`)}`);
      moving = true;
    },
    note(text) {
      for (const line of text.split('\n')) print(`    ${paint('dim', line)}`);
    },
    table(header, rows) {
      const [first = '', ...rest] = alignRows([header, ...rows]);
      print(`    ${paint('dim', first)}`);
      for (const line of rest) print(`    ${line}`);
    },
    verdict(text, good) {
      print(`\n${paint(['bold', good ? 'green' : 'red'], text)}`);
    },
  };
}

/** Does one thing and says so, with the seconds it took. */
export async function timed<T>(
  screen: Screen,
  what: string,
  action: () => Promise<T>,
  detail: (result: T) => string = () => '',
): Promise<T> {
  screen.now(what);
  const start = performance.now();
  const result = await action();
  screen.done(what, detail(result), (performance.now() - start) / 1000);
  return result;
}
