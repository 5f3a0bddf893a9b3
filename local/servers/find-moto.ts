import { join } from 'node:path';
import { HoldfastError } from '../../src/domain/errors.ts';
import { findPythonPackages, python } from './python-packages.ts';

const requirements = join(import.meta.dirname, 'moto-requirements.txt');

export interface FoundMoto {
  readonly python: string;
  /** For PYTHONPATH. */
  readonly packages: string;
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr?.trim() ? stderr : message).trim().split('\n').at(-1) ?? message;
}

/**
 * Finds moto, the S3 server of tests and demo, in the project's cache; pip brings it when it is not there.
 * @throws HoldfastError ObjectServerUnavailable with the reason
 */
export async function findMoto(log: (line: string) => void = () => undefined): Promise<FoundMoto> {
  try {
    return { python, packages: await findPythonPackages('moto', requirements, log) };
  } catch (error) {
    throw new HoldfastError('ObjectServerUnavailable', `moto could not be installed: ${lastLine(error)}`, {
      cause: error,
    });
  }
}
