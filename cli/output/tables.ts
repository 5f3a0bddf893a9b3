import { getBorderCharacters, table } from 'table';
import { printable } from './printable.ts';

/** A cell, or the lines of one. */
export type Cell = string | readonly string[];

/** Above and below the head, and at the end. */
const ruled = (line: number, lines: number): boolean => line <= 1 || line === lines;

/** A table with a header row; everything in a cell that a terminal acts on is escaped. */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => [cell].flat().map(printable).join('\n')));
  return table(cells, { border: getBorderCharacters('norc'), drawHorizontalLine: ruled }).trimEnd();
}

/** Facts of one thing, a line each, the values in one column. */
export function renderFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${printable(name).padEnd(width)}  ${printable(value)}`).join('\n');
}
