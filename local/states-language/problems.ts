/** What is wrong with a state machine file, and where (JSONPath). */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** The place of a member in the file. */
export function at(path: string, member: string | number): string {
  if (typeof member === 'number') return `${path}[${member}]`;
  return /^[A-Za-z_]\w*$/.test(member) ? `${path}.${member}` : `${path}['${member.replaceAll(/['\\]/g, '\\$&')}']`;
}
