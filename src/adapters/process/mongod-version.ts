import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The oldest server this product runs on: reference facts were executed on 6.0, and the fixtures need it. */
export const oldestMajorVersion = 6;

/**
 * Runs `mongod --version` and says whether the binary is usable here: it may be damaged, too old, or linked against
 * libraries that this machine lacks.
 * @returns the version (`6.0.5`), or the reason why it is not usable.
 */
export async function probeMongod(path: string): Promise<{ version: string } | { reason: string }> {
  let output: string;
  try {
    output = (await run(path, ['--version'], { timeout: 20_000 })).stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    const [firstLine = ''] = (stderr?.trim() ? stderr : message).trim().split('\n');
    return { reason: `does not run: ${firstLine}` };
  }
  const version = /^db version v(\d+\.\d+\.\d+\S*)/m.exec(output)?.[1];
  if (version === undefined) return { reason: 'does not answer --version as mongod does' };
  if (Number(version.split('.')[0]) < oldestMajorVersion) {
    return { reason: `is ${version}, older than ${oldestMajorVersion}.0` };
  }
  return { version };
}
