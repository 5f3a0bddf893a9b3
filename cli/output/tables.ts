import Table from 'cli-table3';
import { printable } from './printable.ts';

const noLineBetweenRows = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const plain = { style: { head: [], border: [] }, chars: noLineBetweenRows };

/** A cell, or the lines of one. */
export type Cell = string | readonly string[];

/** A table with a header row; everything in a cell that a terminal acts on is escaped. */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const table = new Table({ head: [...head], ...plain });
  table.push(...rows.map((row) => row.map((cell) => [cell].flat().map(printable).join('\n'))));
  return table.toString();
}

/** Facts of one thing, a line each, the values in one column. */
export function renderFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${printable(name).padEnd(width)}  ${printable(value)}`).join('\n');
}
