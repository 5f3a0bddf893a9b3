import * as z from 'zod';
import { createdKey } from '../domain/settings.ts';
import type { ProblemWithoutPlace } from './config-problems.ts';

/** Rules over several keys of one storage, and over several storages. */

const text = z.string().optional().catch(undefined);

/** What the rules look at; what the schema refuses is left out. */
export const storageRuleInput = z
  .object({
    type: text,
    path: text,
    bucket: text,
    prefix: text,
    region: text,
    endpoint: text,
    caFile: text,
    kmsKey: text,
    objectLock: z.unknown().optional(),
  })
  .catch({});
type StorageInput = z.infer<typeof storageRuleInput>;

/** A prefix as keys begin with it: empty, or ending with "/". */
export function prefixFolder(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}

/** @param onAws whether the config is one of a stage on AWS, whose stack makes buckets */
export function storageRuleProblems(
  storages: Readonly<Record<string, StorageInput>>,
  onAws: boolean,
): ProblemWithoutPlace[] {
  const buckets = Object.entries(storages).filter(([, { type }]) => type === 's3');
  return [
    ...buckets.flatMap(([name, storage]) => [
      ...endpointProblems(name, storage),
      ...bucketProblems(name, storage, onAws),
      ...regionProblems(name, storage, onAws),
      ...keyProblems(name, storage, onAws),
    ]),
    ...buckets.flatMap(([name, storage], index) =>
      buckets.slice(0, index).flatMap(([other, before]) => placeProblems(name, storage, other, before)),
    ),
  ];
}

function endpointProblems(name: string, { endpoint, caFile }: StorageInput): ProblemWithoutPlace[] {
  const at = (key: string) => ['storages', name, key];
  if (endpoint === undefined) {
    if (caFile === undefined) return [];
    const next = 'Remove caFile, or name the endpoint that has a certificate of that CA.';
    return [{ path: at('caFile'), given: caFile, expected: 'nothing: there is no endpoint', next }];
  }
  const problem = endpointProblem(endpoint);
  if (problem === undefined) return [];
  // What cannot be read as an address may hold a password anywhere.
  return [{ path: at('endpoint'), given: problem.shown, expected: problem.expected, next: problem.next }];
}

function endpointProblem(endpoint: string): { shown: string; expected: string; next: string } | undefined {
  const form = 'https://HOST[:PORT]';
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol)) {
    return { shown: '[not shown]', expected: form, next: 'Write the address of the server.' };
  }
  const shown = `${url.protocol}//${url.host}`;
  if (url.username !== '' || url.password !== '') {
    return { shown, expected: `${form}, without user and password`, next: 'Name the access key by credentials.' };
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return { shown: endpoint, expected: form, next: 'Name bucket and prefix by keys of their own.' };
  }
  if (url.protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) {
    const next = 'Use https, with caFile for a CA of your own: what is stored is the content of a database.';
    return { shown: endpoint, expected: `${form}; http only on this machine`, next };
  }
  return undefined;
}

function bucketProblems(name: string, { bucket, endpoint }: StorageInput, onAws: boolean): ProblemWithoutPlace[] {
  if (bucket !== undefined || (onAws && endpoint === undefined)) return [];
  const next = 'Add bucket. Only the stack of a stage on AWS (network) makes one.';
  return [{ path: ['storages', name, 'bucket'], given: 'nothing', expected: 'the name of a bucket', next }];
}

/** A bucket that the stack makes is in the stack's region. */
function regionProblems(
  name: string,
  { bucket, region, endpoint }: StorageInput,
  onAws: boolean,
): ProblemWithoutPlace[] {
  if (region !== undefined || endpoint !== undefined || (onAws && bucket === undefined)) return [];
  const path = ['storages', name, 'region'];
  return [{ path, given: 'nothing', expected: 'the region of the bucket', next: 'Add region, such as eu-central-1.' }];
}

/** A key that the stack makes belongs to a bucket that it makes. */
function keyProblems(name: string, { kmsKey, bucket, endpoint }: StorageInput, onAws: boolean): ProblemWithoutPlace[] {
  if (kmsKey !== createdKey || (onAws && bucket === undefined && endpoint === undefined)) return [];
  const next =
    'Name a key that is there, or leave kmsKey out. Only for a bucket of its own the stack of a stage makes a key.';
  return [{ path: ['storages', name, 'kmsKey'], given: kmsKey, expected: 'the id, alias or ARN of a key', next }];
}

/** Prefixes that begin with one another: a listing of one would show, and a clean-up could delete, what belongs to the other. */
function placeProblems(
  name: string,
  storage: StorageInput,
  other: string,
  before: StorageInput,
): ProblemWithoutPlace[] {
  if (storage.bucket === undefined || storage.bucket !== before.bucket || hostOf(storage) !== hostOf(before)) return [];
  const [mine, theirs] = [prefixFolder(storage.prefix ?? ''), prefixFolder(before.prefix ?? '')];
  if (!mine.startsWith(theirs) && !theirs.startsWith(mine)) return [];
  return [
    {
      path: ['storages', name, 'prefix'],
      given: storage.prefix ?? 'nothing',
      expected: `a prefix apart from that of storages.${other} (${before.prefix ?? 'none: the whole bucket'})`,
      next: 'Write prefixes of which none begins with another.',
    },
  ];
}

function hostOf({ endpoint }: StorageInput): string {
  return endpoint === undefined ? '' : (URL.parse(endpoint)?.host ?? endpoint);
}
