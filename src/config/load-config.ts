import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../domain/errors.ts';
import {
  compressionSchema,
  type CredentialsSource,
  type DeploymentSettings,
  memberPreferencesSchema,
  type Settings,
  settingsSchema,
} from '../domain/settings.ts';
import {
  type ConfigPath,
  type ConfigProblem,
  invalidConfig,
  problemsOfIssue,
  type ProblemWithoutPlace,
} from './config-problems.ts';
import { configRuleProblems } from './config-rules.ts';
import { configDefaults, type ConfigFile, configFileSchema } from './config-schema.ts';

/** A config of hundreds of deployments has some hundred KiB; more is a wrong file or a hostile one. */
const maxConfigBytes = 1 << 20;

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size <= maxConfigBytes) return await readFile(file, 'utf8');
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new HoldfastError('InvalidConfig', `The config file ${file} cannot be read (${cause}).`, {
      cause: error,
      next: 'Name the config file by --config, or start in its folder.',
      details: { file, problems: [] },
    });
  }
  throw invalidConfig(file, [
    { path: '', line: null, given: 'more than 1 MiB', expected: 'a config file', next: 'Name the right file.' },
  ]);
}

/** The line of a path, or of the nearest part of it that is in the file. */
function lineOf(document: Document, counter: LineCounter, path: ConfigPath): number | null {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      : undefined;
    if (!isPair(pair)) break;
    offset = isScalar(pair.key) ? pair.key.range?.[0] : offset;
    node = pair.value;
  }
  return offset === undefined ? null : counter.linePos(offset).line;
}

/** The keys that the schema has where an object stands: what "did you mean" chooses from. */
function knownKeys(path: ConfigPath): string[] {
  let schema: unknown = configFileSchema;
  for (const key of path) schema = schemaBelow(unwrap(schema), key);
  const object = unwrap(schema);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodDiscriminatedUnion) return schema.options[0];
  return schema;
}

function schemaBelow(schema: unknown, key: string | number): unknown {
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return schema instanceof z.ZodObject ? (schema.shape as Record<string, unknown>)[key] : undefined;
}

function absoluteCredentials(source: CredentialsSource, folder: string): CredentialsSource {
  return typeof source === 'object' && 'file' in source ? { file: resolve(folder, source.file) } : source;
}

type ReadCa = (name: string, caFile: string) => Promise<string | undefined>;

async function toDeployment(
  name: string,
  file: ConfigFile,
  folder: string,
  readCa: ReadCa,
): Promise<DeploymentSettings> {
  const { tls, limits, credentials, restoreCredentials, ...given } = file.deployments[
    name
  ] as ConfigFile['deployments'][string];
  const ca = tls?.caFile === undefined ? undefined : await readCa(name, tls.caFile);
  return {
    name,
    uri: given.uri,
    ...(credentials && { credentials: absoluteCredentials(credentials, folder) }),
    ...(restoreCredentials && { restoreCredentials: absoluteCredentials(restoreCredentials, folder) }),
    ...(given.method && { method: given.method }),
    storage: given.storage ?? Object.keys(file.storages)[0] ?? '',
    ...(tls && { tls: ca === undefined ? {} : { ca } }),
    member: given.member ?? memberPreferencesSchema.parse({}),
    compression: given.compression ?? compressionSchema.parse({}),
    limits: { parallel: limits?.parallel ?? configDefaults.parallel },
  };
}

/** Reads the CA file of a deployment, or notes a problem. */
function caReader(folder: string, problems: ProblemWithoutPlace[]): ReadCa {
  return async (name, caFile) => {
    const problem = (expected: string) =>
      problems.push({
        path: ['deployments', name, 'tls', 'caFile'],
        given: caFile,
        expected,
        next: 'Name a PEM file with the certificate of your CA.',
      });
    const text = await readFile(resolve(folder, caFile), 'utf8').catch((error: unknown) => {
      problem(`a file that can be read (${(error as NodeJS.ErrnoException).code ?? 'failed'})`);
      return undefined;
    });
    if (text?.includes('PRIVATE KEY')) problem('certificates only: this file holds a private key');
    else if (text !== undefined && !text.includes('-----BEGIN CERTIFICATE-----')) problem('a PEM certificate');
    return text;
  };
}

async function toSettings(file: ConfigFile, folder: string, problems: ProblemWithoutPlace[]): Promise<Settings> {
  const readCa = caReader(folder, problems);
  const deployments = await Promise.all(
    Object.keys(file.deployments).map((name) => toDeployment(name, file, folder, readCa)),
  );
  return {
    schemaVersion: 1,
    stage: file.stage ?? configDefaults.stage,
    stateDir: resolve(folder, file.stateDir ?? configDefaults.stateDir),
    storages: Object.fromEntries(
      Object.entries(file.storages).map(([name, { type, path }]) => [
        name,
        { name, type, path: resolve(folder, path) },
      ]),
    ),
    deployments: Object.fromEntries(deployments.map((deployment) => [deployment.name, deployment])),
  };
}

/**
 * Reads a config file: YAML, checked as a whole, defaults filled in, paths made absolute against the file, CA files
 * inlined. Reads no credentials.
 * @throws InvalidConfig with every problem at once: path, line, what is given, what is expected, the next step.
 */
export async function loadConfig(path: string): Promise<Settings> {
  const file = resolve(path);
  const folder = dirname(file);
  const counter = new LineCounter();
  const document = parseDocument(await readText(file), { lineCounter: counter, prettyErrors: false });
  const fail = (problems: readonly ProblemWithoutPlace[]): HoldfastError => {
    const placed = problems.map((problem): ConfigProblem => ({
      ...problem,
      path: problem.path.join('.'),
      line: lineOf(document, counter, problem.path),
    }));
    return invalidConfig(
      file,
      placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  };
  if (document.errors.length > 0) {
    throw invalidConfig(
      file,
      document.errors.map(({ pos, message }) => ({
        path: '',
        line: counter.linePos(pos[0]).line,
        given: 'text that is no YAML',
        expected: message,
        next: 'Correct the line.',
      })),
    );
  }
  const root: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  const parsed = configFileSchema.safeParse(root);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => problemsOfIssue(issue, root, knownKeys));
    throw fail([...problems, ...configRuleProblems(root, folder)]);
  }
  const problems = configRuleProblems(root, folder);
  const settings = await toSettings(parsed.data, folder, problems);
  if (problems.length > 0) throw fail(problems);
  return settingsSchema.parse(settings);
}
