import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * A process of this machine that no later process can be taken for: ids of processes are used again.
 * `processStart` is the boot id and the start in clock ticks since that boot (proc(5), field 22 of stat).
 */
export type ProcessIdentity = Readonly<{ pid: number; processStart: string }>;

/** This process, for the first event of a run's journal. */
export function thisProcess(): ProcessIdentity {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return { pid: process.pid, processStart: startOf(stat, bootId()) };
}

/** Whether that very process still runs; one that is dead but not yet reaped does not. */
export async function isAlive({ pid, processStart }: ProcessIdentity): Promise<boolean> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return false;
  }
  const [state = ''] = fieldsAfterName(stat);
  return !'ZXx'.includes(state) && startOf(stat, bootId()) === processStart;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function startOf(stat: string, boot: string): string {
  // State is field 3, the first after the name; the start is field 22.
  return `${boot}:${fieldsAfterName(stat)[19] ?? ''}`;
}

/** The name of the program, in parentheses, may hold blanks and parentheses itself. */
function fieldsAfterName(stat: string): string[] {
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
}
