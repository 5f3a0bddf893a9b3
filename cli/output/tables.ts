import { printable } from './printable.ts';

/** A cell, or the lines of one. */
export type Cell = string | readonly string[];

const combining = /\p{Mark}/u;
/** East Asian wide and full-width characters, and emoji: a terminal gives them two columns. */
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
/** What needs no look at each character. */
const ascii = /^[\x00-\x7f]*$/;

/** Columns that a printable text takes on a terminal. */
function columnsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let columns = 0;
  for (const character of text) if (!combining.test(character)) columns += wide.test(character) ? 2 : 1;
  return columns;
}

const padded = (text: string, columns: number): string => ` ${text}${' '.repeat(columns - columnsOf(text))} `;

/**
 * A table with a header row; everything in a cell that a terminal acts on is escaped. Its time grows as its rows do: ten
 * thousand collections are shown at once.
 */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => [cell].flat().map(printable)));
  const widths = head.map(() => 0);
  for (const row of cells)
    for (const [n, lines] of row.entries())
      for (const line of lines) widths[n] = Math.max(widths[n] ?? 0, columnsOf(line));
  const border = (left: string, middle: string, right: string) =>
    `${left}${widths.map((width) => '─'.repeat(width + 2)).join(middle)}${right}`;
  const lines = cells.flatMap((row) => {
    const height = Math.max(1, ...row.map((each) => each.length));
    return Array.from(
      { length: height },
      (_, line) => `│${widths.map((width, n) => padded(row[n]?.[line] ?? '', width)).join('│')}│`,
    );
  });
  return [border('┌', '┬', '┐'), ...lines, border('└', '┴', '┘')].join('\n');
}

/** Facts of one thing, a line each, the values in one column. */
export function renderFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${printable(name).padEnd(width)}  ${printable(value)}`).join('\n');
}
