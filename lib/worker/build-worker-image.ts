import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleCode } from '../bundle-code.ts';

/** Makes the folder that the worker's image is built from at deployment: Dockerfile and bundle, nothing else. */
export function buildWorkerImage(outputFolder: string): string {
  const folder = bundleCode({ worker: 'worker/fargate.ts' }, outputFolder).worker;
  copyFileSync(fileURLToPath(new URL('../../worker/Dockerfile', import.meta.url)), join(folder, 'Dockerfile'));
  return folder;
}
