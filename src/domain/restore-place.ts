/** Where a restore goes: a running server, by its URI, or a directory of the machine that restores, by its absolute path. */
export function isDirectoryTarget(to: string): boolean {
  return to.startsWith('/');
}
