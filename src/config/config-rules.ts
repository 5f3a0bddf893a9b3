import { isAbsolute, relative, resolve, sep } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import { type MongoUri, parseMongoUri, redactUri } from '../domain/mongodb-uri.ts';
import * as z from 'zod';
import { type ConfigPath, nearestWord, type ProblemWithoutPlace } from './config-problems.ts';
import { configDefaults } from './config-schema.ts';
import { lockProblems, lockRuleInput } from './lock-rules.ts';
import { scheduleProblems, scheduleRuleInput } from './schedule-rules.ts';
import { storageRuleInput, storageRuleProblems } from './storage-rules.ts';
import { volumeProblems, volumeRuleInput } from './volume-rules.ts';

/** What a schema cannot say: rules over several keys, each a function from the file to its problems. */

const text = z.string().optional().catch(undefined);
const ruleInputSchema = z
  .object({
    stateDir: text,
    network: z.unknown().optional(),
    storages: z.record(z.string(), storageRuleInput).optional().catch(undefined),
    deployments: z
      .record(
        z.string(),
        z
          .object({
            uri: text,
            ...lockRuleInput,
            ...volumeRuleInput,
            schedules: scheduleRuleInput.optional().catch(undefined),
            tls: z.object({ caFile: text }).optional().catch(undefined),
          })
          .catch({}),
      )
      .optional()
      .catch(undefined),
  })
  .catch({});
/** What the rules look at; what the schema refuses is left out, so that rules and schema report together. */
type RuleInput = z.infer<typeof ruleInputSchema>;

const usedOptions = [
  'replicaset',
  'tls',
  'ssl',
  'authsource',
  'authmechanism',
  'connecttimeoutms',
  'serverselectiontimeoutms',
];
const shownOptions = [
  'replicaSet',
  'tls',
  'authSource',
  'authMechanism',
  'connectTimeoutMS',
  'serverSelectionTimeoutMS',
];

function optionProblem(path: ConfigPath, name: string): ProblemWithoutPlace | undefined {
  if (usedOptions.includes(name)) return undefined;
  const near = nearestWord(name, shownOptions);
  const next =
    name === 'tlscafile'
      ? 'Name the file by tls.caFile of the deployment.'
      : /^tls.*(insecure|allowinvalid)/.test(name)
        ? 'Certificates are always verified: name your CA by tls.caFile.'
        : near === undefined
          ? 'Remove the option: Holdfast sets such options itself.'
          : `Did you mean ${near}?`;
  return { path, given: `the option ${name}`, expected: `only ${shownOptions.join(', ')}`, next };
}

function uriProblems(path: ConfigPath, text: string): ProblemWithoutPlace[] {
  let uri: MongoUri;
  try {
    uri = parseMongoUri(text);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return [
      {
        path,
        given: redactUri(text),
        expected: `a connection string (${error.message.replace(/^.*?: |[.]$/g, '')})`,
        next: error.next,
      },
    ];
  }
  const problems = [...uri.options.keys()].flatMap((name) => optionProblem(path, name) ?? []);
  if (uri.username !== undefined) {
    problems.unshift({
      path,
      given: redactUri(text),
      expected: 'a connection string without user and password',
      next: 'Move them to an environment variable or a file and name it by credentials: { env: NAME } or { file: PATH }.',
    });
  }
  return problems;
}

function storageProblem(storages: readonly string[], name: string, storage: string | undefined): ProblemWithoutPlace[] {
  const path = ['deployments', name, 'storage'];
  if (storage === undefined) {
    return storages.length === 1
      ? []
      : [
          {
            path,
            given: 'nothing',
            expected: `one of ${storages.join(', ')}`,
            next: 'Say which storage it backs up to.',
          },
        ];
  }
  return namedStorageProblem(storages, path, storage);
}

/** A name that stands where a storage is named, and may be left out. */
function namedStorageProblem(
  storages: readonly string[],
  path: ConfigPath,
  storage: string | undefined,
): ProblemWithoutPlace[] {
  if (storage === undefined || storages.includes(storage)) return [];
  const near = nearestWord(storage, storages);
  const next = near === undefined ? 'Add the storage, or name another.' : `Did you mean ${near}?`;
  return [{ path, given: storage, expected: `one of ${storages.join(', ')}`, next }];
}

function contains(outer: string, inner: string): boolean {
  const path = relative(outer, inner);
  return path === '' || (!isAbsolute(path) && path !== '..' && !path.startsWith(`..${sep}`));
}

/** Folders that lie in one another: a listing of one would show, and a clean-up could delete, what belongs to the other. */
function overlapProblems(file: RuleInput, folder: string): ProblemWithoutPlace[] {
  const places = [
    { path: ['stateDir'], given: file.stateDir ?? configDefaults.stateDir },
    ...Object.entries(file.storages ?? {}).flatMap(([name, { path }]) =>
      path === undefined ? [] : [{ path: ['storages', name, 'path'], given: path }],
    ),
  ].map((place) => ({ ...place, full: resolve(folder, place.given) }));
  return places.flatMap((place, index) =>
    places
      .slice(0, index)
      .filter(({ full }) => contains(full, place.full) || contains(place.full, full))
      .map((other) => ({
        path: place.path,
        given: place.given,
        expected: `a folder apart from ${other.path.join('.')} (${other.given})`,
        next: 'Write folders of which none lies in another.',
      })),
  );
}

/**
 * @param root the file as YAML read it: also one that the schema refuses, so that all problems come at once.
 * @param folder where the config file lies: relative paths start there.
 */
export function configRuleProblems(root: unknown, folder: string): ProblemWithoutPlace[] {
  const file = ruleInputSchema.parse(root);
  const empty = (['storages', 'deployments'] as const)
    .filter((key) => file[key] !== undefined && Object.keys(file[key]).length === 0)
    .map((key) => ({
      path: [key],
      given: 'nothing',
      expected: `at least one of ${key}`,
      next: `Add one under ${key}.`,
    }));
  const storages = Object.keys(file.storages ?? {});
  const onAws = file.network !== undefined;
  const deployments = Object.entries(file.deployments ?? {}).flatMap(([name, deployment]) => [
    ...(deployment.uri ? uriProblems(['deployments', name, 'uri'], deployment.uri) : []),
    ...(storages.length === 0 ? [] : storageProblem(storages, name, deployment.storage)),
    ...(storages.length === 0
      ? []
      : namedStorageProblem(
          storages,
          ['deployments', name, 'oplogArchive', 'storage'],
          deployment.oplogArchive?.storage,
        )),
    ...volumeProblems(name, deployment, onAws),
    ...scheduleProblems(name, deployment.schedules ?? {}, storages, onAws),
    ...lockProblems(name, deployment, file.storages ?? {}),
  ]);
  return [
    ...empty,
    ...deployments,
    ...overlapProblems(file, folder),
    ...storageRuleProblems(file.storages ?? {}, onAws),
  ];
}

/** The CA files that the file names, with their places in it. */
export function caFilesOf(root: unknown): { readonly path: ConfigPath; readonly given: string }[] {
  const { deployments = {}, storages = {} } = ruleInputSchema.parse(root);
  const named = [
    ...Object.entries(deployments).map(([name, { tls }]) => ({
      path: ['deployments', name, 'tls', 'caFile'],
      given: tls?.caFile,
    })),
    ...Object.entries(storages).map(([name, { caFile }]) => ({ path: ['storages', name, 'caFile'], given: caFile })),
  ];
  return named.flatMap(({ path, given }) => (given === undefined ? [] : [{ path, given }]));
}
