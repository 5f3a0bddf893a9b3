/** Whether a restore goes to a directory of the machine that restores, by its absolute path; else to a running server, by its URI. */
export function isDirectoryTarget(to: string): boolean {
  return to.startsWith('/');
}

/** Where a restore makes a new volume, on AWS: `to` of its request. */
export const volumeTarget = 'volume';

/** Whether a restore makes a new volume; `volume` of the request says what kind. */
export function isVolumeTarget(to: string): boolean {
  return to === volumeTarget;
}
