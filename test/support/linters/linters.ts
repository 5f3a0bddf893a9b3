import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findPythonPackages, python } from '../../../local/servers/python-packages.ts';

const run = promisify(execFile);

/** cfn-lint and hadolint, in the project's cache. @returns the folder of their packages */
export async function findLinters(log?: (line: string) => void): Promise<string> {
  return findPythonPackages('linters', join(import.meta.dirname, 'requirements.txt'), log);
}

export interface CfnFinding {
  readonly rule: string;
  readonly message: string;
  /** Keys from the root of the template. */
  readonly path: readonly (string | number)[];
}

/** What cfn-lint says of a template, by its own schemas: it asks no network. */
export async function cfnLint(template: string, region: string): Promise<readonly CfnFinding[]> {
  const packages = await findLinters();
  const main = 'import sys; from cfnlint.runner import main; sys.argv[0] = "cfn-lint"; main()';
  const args = ['-c', main, '--format', 'json', '--regions', region, '--template', template];
  const findings = JSON.parse(await output(python, args, { PYTHONPATH: packages })) as {
    Rule: { Id: string };
    Message: string;
    Location: { Path: (string | number)[] };
  }[];
  return findings.map(({ Rule, Message, Location }) => ({ rule: Rule.Id, message: Message, path: Location.Path }));
}

export interface DockerfileFinding {
  readonly code: string;
  readonly line: number;
  readonly message: string;
}

/** What hadolint says of a Dockerfile, on whatever level. */
export async function hadolint(dockerfile: string): Promise<readonly DockerfileFinding[]> {
  const program = join(await findLinters(), 'bin', 'hadolint');
  return JSON.parse(await output(program, ['--no-color', '--format', 'json', dockerfile], {})) as DockerfileFinding[];
}

/** A linter that finds something ends with a code of its own; what it found is on its standard output all the same. */
async function output(program: string, args: readonly string[], environment: Record<string, string>): Promise<string> {
  try {
    const { stdout } = await run(program, args, { env: { ...process.env, ...environment }, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    if (!stdout.startsWith('[')) throw new Error(`${program}: ${stderr || String(error)}`, { cause: error });
    return stdout;
  }
}
