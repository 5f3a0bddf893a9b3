import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import * as z from 'zod';
import { HoldfastError } from '../domain/errors.ts';
import { compressionSchema } from '../domain/compression.ts';
import {
  type CredentialsSource,
  type DeploymentSettings,
  memberPreferencesSchema,
  type Settings,
  settingsSchema,
  type StorageSettings,
} from '../domain/settings.ts';
import {
  type ConfigPath,
  type ConfigProblem,
  invalidConfig,
  problemsOfIssue,
  type ProblemWithoutPlace,
} from './config-problems.ts';
import { caFilesOf, configRuleProblems } from './config-rules.ts';
import { parseBandwidth } from './bandwidth.ts';
import { configDefaults, type ConfigFile, configFileSchema } from './config-schema.ts';
import { prefixFolder } from './storage-rules.ts';

/** A config of hundreds of deployments has some hundred KiB; more is a wrong file or a hostile one. */
const maxConfigBytes = 1 << 20;

/** Nobody reads more at once, and to find the line of each in a hostile file takes its time. */
const maxProblems = 100;

/** Reads a text file whole; rejects with an error that has Node's `code`. */
export type ReadTextFile = (file: string) => Promise<string>;

const reasonOf = (error: unknown) =>
  error instanceof HoldfastError ? error.message : ((error as NodeJS.ErrnoException).code ?? String(error));

const readFromDisk: ReadTextFile = async (file) => {
  const { size } = await stat(file);
  if (size > maxConfigBytes) throw new HoldfastError('InvalidConfig', 'it is larger than 1 MiB');
  return readFile(file, 'utf8');
};

async function readConfigFile(file: string, read: ReadTextFile): Promise<string> {
  return read(file).catch((error: unknown) => {
    throw new HoldfastError('InvalidConfig', `The config file ${file} cannot be read (${reasonOf(error)}).`, {
      cause: error,
      next: 'Name the config file by --config, or start in its folder.',
      details: { file, problems: [] },
    });
  });
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
function knownKeys(path: ConfigPath, root: unknown): string[] {
  let schema: unknown = configFileSchema;
  let value = root;
  for (const key of path) {
    schema = schemaBelow(unwrap(schema, value), key);
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  }
  const object = unwrap(schema, value);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

/** @param value what the file has there: of alternatives, its `type` says which is meant */
function unwrap(schema: unknown, value: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.unwrap(), value);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema;
  const options = schema.options as readonly z.ZodObject<{ type: z.ZodLiteral }>[];
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  return options.find((option) => option.shape.type.value === type) ?? options[0];
}

function schemaBelow(schema: unknown, key: string | number): unknown {
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return schema instanceof z.ZodObject ? (schema.shape as Record<string, unknown>)[key] : undefined;
}

function absoluteCredentials(source: CredentialsSource, folder: string): CredentialsSource {
  return typeof source === 'object' && 'file' in source ? { file: resolve(folder, source.file) } : source;
}

function mongodOf({ mongodbVersion }: ConfigFile['deployments'][string]) {
  return mongodbVersion === undefined ? {} : { mongodbVersion };
}

/** Slices go where the backups go, unless the file says otherwise. */
function toPolicy({ schedules, retention, oplogArchive }: ConfigFile['deployments'][string], storage: string) {
  return {
    ...(schedules && { schedules }),
    ...(retention && { retention }),
    ...(oplogArchive && { oplogArchive: { ...oplogArchive, storage: oplogArchive.storage ?? storage } }),
  };
}

function volumeSettings(
  { volumes, ebs, lock }: Pick<ConfigFile['deployments'][string], 'volumes' | 'ebs' | 'lock'>,
  place: { readonly folder: string; readonly onAws: boolean },
): Pick<DeploymentSettings, 'volumes' | 'ebs' | 'lock'> {
  // Elsewhere a list is refused.
  const placeOf = (given: string | string[]) =>
    place.onAws || typeof given !== 'string' ? given : resolve(place.folder, given);
  const places = Object.entries(volumes ?? {}).map(([host, given]) => [host, placeOf(given)] as const);
  return {
    ...(volumes && { volumes: Object.fromEntries(places) }),
    ...(ebs && { ebs }),
    ...(lock !== undefined && { lock }),
  };
}

function toDeployment(name: string, file: ConfigFile, folder: string, ca: string | undefined): DeploymentSettings {
  const { tls, limits, credentials, restoreCredentials, ...given } = file.deployments[
    name
  ] as ConfigFile['deployments'][string];
  const storage = given.storage ?? Object.keys(file.storages)[0] ?? '';
  return {
    name,
    uri: given.uri,
    ...(credentials && { credentials: absoluteCredentials(credentials, folder) }),
    ...(restoreCredentials && { restoreCredentials: absoluteCredentials(restoreCredentials, folder) }),
    ...(given.method && { method: given.method }),
    ...mongodOf(given),
    storage,
    ...(tls && { tls: ca === undefined ? {} : { ca } }),
    ...volumeSettings(given, { folder, onAws: file.network !== undefined }),
    ...toPolicy(given, storage),
    member: given.member ?? memberPreferencesSchema.parse({}),
    compression: given.compression ?? compressionSchema.parse({}),
    limits: {
      parallel: limits?.parallel ?? configDefaults.parallel,
      ...(limits?.bandwidth !== undefined && { bandwidth: parseBandwidth(limits.bandwidth) }),
    },
  };
}

function toStorage(
  name: string,
  file: ConfigFile['storages'][string],
  folder: string,
  ca: string | undefined,
): StorageSettings {
  if (file.type === 'directory') return { name, type: 'directory', path: resolve(folder, file.path) };
  const { bucket, prefix = '', region, endpoint, forcePathStyle, credentials, kmsKey, objectLock } = file;
  const knownRegion = region ?? (endpoint === undefined ? undefined : configDefaults.endpointRegion);
  return {
    name,
    type: 's3',
    ...(bucket !== undefined && { bucket }),
    prefix: prefixFolder(prefix),
    ...(knownRegion !== undefined && { region: knownRegion }),
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    ...(ca !== undefined && { ca }),
    ...(credentials && { credentials: absoluteCredentials(credentials, folder) }),
    ...(kmsKey !== undefined && { kmsKey }),
    ...(objectLock !== undefined && { objectLock }),
  };
}

function caProblem(text: string): string | undefined {
  if (text.includes('PRIVATE KEY')) return 'certificates only: this file holds a private key';
  return text.includes('-----BEGIN CERTIFICATE-----') ? undefined : 'a PEM certificate';
}

/** The CA files of deployments and storages, by their place in the file; a file that is none is noted as a problem. */
async function readCaFiles(root: unknown, folder: string, read: ReadTextFile, problems: ProblemWithoutPlace[]) {
  const texts = new Map<string, string>();
  for (const { path, given } of caFilesOf(root)) {
    const note = (expected: string) =>
      problems.push({
        path,
        given,
        expected,
        next: 'Name a PEM file with the certificate of your CA.',
      });
    try {
      const text = await read(resolve(folder, given));
      const problem = caProblem(text);
      if (problem === undefined) texts.set(path.join('.'), text);
      else note(problem);
    } catch (error) {
      note(`a file that can be read (${reasonOf(error)})`);
    }
  }
  return texts;
}

function toSettings(file: ConfigFile, folder: string, ca: ReadonlyMap<string, string>): Settings {
  return {
    schemaVersion: 1,
    stage: file.stage ?? configDefaults.stage,
    stateDir: resolve(folder, file.stateDir ?? configDefaults.stateDir),
    storages: Object.fromEntries(
      Object.entries(file.storages).map(([name, storage]) => [
        name,
        toStorage(name, storage, folder, ca.get(`storages.${name}.caFile`)),
      ]),
    ),
    deployments: Object.fromEntries(
      Object.keys(file.deployments).map((name) => [
        name,
        toDeployment(name, file, folder, ca.get(`deployments.${name}.tls.caFile`)),
      ]),
    ),
    ...(file.network && { network: file.network }),
  };
}

/** Offsets of keys that their map has already: the parser's own check compares each with each. */
function repeatedKeys(document: Document): number[] {
  const offsets: number[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) offsets.push(key.range?.[0] ?? 0);
        seen.add(key.value);
      }
    },
  });
  return offsets;
}

/** The file's value. @throws InvalidConfig when it is no YAML, or multiplies aliases without measure. */
function toValue(document: Document, file: string, counter: LineCounter): unknown {
  const problem = (line: number | null, expected: string): ConfigProblem => ({
    path: '',
    line,
    given: 'text that is no YAML',
    expected,
    next: 'Correct the line.',
  });
  const errors = document.errors.map(({ pos, message }) => ({ at: pos[0], message }));
  if (errors.length === 0)
    errors.push(...repeatedKeys(document).map((at) => ({ at, message: 'unique keys: each once in its map' })));
  if (errors.length > 0) {
    throw invalidConfig(
      file,
      errors.slice(0, maxProblems).map(({ at, message }) => problem(counter.linePos(at).line, message)),
    );
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw invalidConfig(file, [problem(null, (error as Error).message)]);
  }
}

/**
 * Reads a config file: YAML, checked as a whole, defaults filled in, paths made absolute against the file, CA files
 * inlined. Reads no credentials.
 * @param read replaced in tests only.
 * @throws InvalidConfig with every problem at once: path, line, what is given, what is expected, the next step.
 */
export async function loadConfig(path: string, read: ReadTextFile = readFromDisk): Promise<Settings> {
  const file = resolve(path);
  const folder = dirname(file);
  const counter = new LineCounter();
  const document = parseDocument(await readConfigFile(file, read), {
    ...{ lineCounter: counter, prettyErrors: false, uniqueKeys: false, logLevel: 'error' },
  });
  const fail = (problems: readonly ProblemWithoutPlace[]): HoldfastError => {
    const placed = problems.slice(0, maxProblems).map((problem): ConfigProblem => ({
      ...problem,
      path: problem.path.join('.'),
      line: lineOf(document, counter, problem.path),
    }));
    return invalidConfig(
      file,
      placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  };
  const root = toValue(document, file, counter);
  const parsed = configFileSchema.safeParse(root);
  const problems = (parsed.error?.issues ?? []).flatMap((issue) =>
    problemsOfIssue(issue, root, (path) => knownKeys(path, root)),
  );
  problems.push(...configRuleProblems(root, folder));
  const ca = await readCaFiles(root, folder, read, problems);
  if (!parsed.success || problems.length > 0) throw fail(problems);
  return settingsSchema.parse(toSettings(parsed.data, folder, ca));
}
