import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { JournalRunHistory } from '../../../local/run-history.ts';
import { parseJournal } from '../../../local/states-language/journal.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { bind } from '../../../src/application/bind.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { completeRestoreInput } from '../../../src/application/use-cases/complete-restore.ts';
import { inspectDeploymentInput } from '../../../src/application/use-cases/inspect-deployment.ts';
import { planRestoreInput } from '../../../src/application/use-cases/plan-restore.ts';
import { baseSchema } from '../../../src/domain/base.ts';
import { parseMongoUri } from '../../../src/domain/mongodb-uri.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { restoreResultSchema } from '../../../src/domain/restore-result.ts';
import { leaseSchema, outcomeSchema, progressSchema, restoreTimeSchema } from '../../../src/domain/run.ts';
import {
  acceptedRequestSchema,
  planSchema,
  runRequestSchema,
  stepErrorSchema,
  workerProcessSchema,
  workerTaskSchema,
} from '../../../src/domain/run-documents.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { opTimeSchema } from '../../../src/domain/timestamp.ts';
import { topologySchema } from '../../../src/domain/topology.ts';
import { complete, fail, reachCompletion } from '../backup-steps.ts';
import { keysOf, makeWorld, step } from '../backup-world.ts';
import { noLogger } from '../no-logger.ts';
import { runWorkflow } from '../run-workflow.ts';
import { garbage, type Json, mutated, mutatedJson } from './mutations.ts';
import { type FuzzBudget, fuzz, typedOutcome } from './typed-outcome.ts';

const damagedOrNewer = ['CorruptObject', 'UnsupportedFormat'] as const;
const at = '2026-11-22T10:00:00.000Z';
const one = { schemaVersion: 1 };
const request = { backup: 'orders', to: 'mongodb://a:1/', credentials: { env: 'A' }, users: ['shop'], parallel: 4 };

/** Documents that no run of the world writes. */
const handmade: readonly (readonly [z.ZodType, Json])[] = [
  [
    progressSchema,
    {
      ...{ ...one, part: 'rs0', phase: 'dump', documents: 1, rawBytes: 2, storedBytes: 3, totalBytes: null },
      ...{ bytesPerSecond: 1.5, etaSeconds: null, updatedAt: at },
    },
  ],
  [
    planSchema,
    {
      ...{ ...one, kind: 'restore', runId: 'r', backupId: 'b', deployment: 'orders', storage: 's', createdAt: at },
      ...{ target: 'a'.repeat(64), targetDescription: 'a:1', requestedBy: 'me', request, parts: [{ name: 'rs0' }] },
    },
  ],
  [runRequestSchema, { ...one, workflow: 'restore', startedAt: at, requestedBy: 'me', request }],
  [
    workerTaskSchema,
    { ...one, runId: 'r', command: 'dump', part: 'rs0', attempt: 1, taskToken: 't', fence: 1, startedAt: at },
  ],
  [workerProcessSchema, { ...one, pid: 7, processStart: '1234' }],
  [acceptedRequestSchema, { ...one, run: 'r', deployment: 'orders', at }],
  [
    restoreResultSchema,
    {
      ...{ ...one, part: 'rs0', target: 'a:1', restoreTime: { t: 1, i: 1 }, collections: 1, documents: 1, rawBytes: 1 },
      ...{ indexes: 0, oplog: { entries: 1, applied: 1, skipped: 0 }, usersAndRoles: { users: 1, roles: 0 } },
      ...{ uuidsKept: true, keepExpired: false, seconds: { load: 0.5 }, warnings: ['w'] },
    },
  ],
];

const schemas: readonly (readonly [RegExp, z.ZodType])[] = [
  [/\/request\.json$/, runRequestSchema],
  [/\/plan\.json$/, planSchema],
  [/\/config\.json$/, settingsSchema],
  [/\/topology\.json$/, topologySchema],
  [/\/restore-time\.json$/, restoreTimeSchema],
  [/\/outcome\.json$/, outcomeSchema],
  [/\/points\//, opTimeSchema],
  [/\/bases\//, baseSchema],
  [/\/errors\//, stepErrorSchema],
  [/^leases\//, leaseSchema],
];

/** One of each document that runs leave in a state storage. */
async function seeds(): Promise<(readonly [z.ZodType, Json])[]> {
  const found = new Map<z.ZodType, Json>();
  const world = makeWorld();
  await reachCompletion(world, 'run-1');
  await complete(world, 'run-1');
  world.running.delete('run-1');
  const failing = bind(() => Promise.reject(new TypeError('a defect')), completeRestoreInput)(world.deps);
  await failing({ ...step('run-1'), fence: 1 }).catch(() => undefined);
  await fail(world, 'run-1').catch(() => undefined);
  for (const key of await keysOf(world.state)) {
    const schema = schemas.find(([pattern]) => pattern.test(key))?.[1];
    if (schema) found.set(schema, JSON.parse((await world.state.get(key)).body.toString()) as Json);
  }
  return [...found, ...handmade];
}

function describeDocuments(budget: FuzzBudget, all: readonly (readonly [z.ZodType, Json])[]): void {
  it('has a seed for every kind of document, which is read as it is', () => {
    const covered = new Set(all.map(([schema]) => schema));
    expect(schemas.filter(([, schema]) => !covered.has(schema)).map(([pattern]) => pattern)).toEqual([]);
    for (const [schema, seed] of all) expect(schema.safeParse(seed).error).toBeUndefined();
  });

  it('reads a document as its schema says, or refuses it and names it', async () => {
    const key = 'runs/run-1/a-document.json';
    const changed = all.map(([schema, seed]) =>
      fc.oneof(mutated(encode(seed)), garbage, mutatedJson(seed).map(encode)).map((bytes) => ({ schema, bytes })),
    );
    await fuzz(budget, fc.oneof(...changed), async ({ schema, bytes }) => {
      const store = new MemoryObjectStore();
      await store.put(key, bytes);
      await typedOutcome(() => readDocument(store, key, schema), damagedOrNewer, key);
    });
  });
}

const encode = (value: Json): Buffer => Buffer.from(JSON.stringify(value));

async function describeJournal(budget: FuzzBudget): Promise<void> {
  const { events } = await runWorkflow('backup');
  const text = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const key = stateKeys.journal('run-1');
  const find = async (bytes: Buffer) => {
    const store = new MemoryObjectStore();
    await store.put(key, bytes);
    return new JournalRunHistory(store).find('run-1');
  };

  it('reads a journal up to the first line that is damaged', async () => {
    expect(await find(text)).toMatchObject({ status: 'succeeded' });
    const journals = fc.oneof(
      mutated(text),
      garbage,
      mutatedJson(events.slice(0, 12) as unknown as Json).map((lines) =>
        Buffer.from(Array.isArray(lines) ? lines.map((line) => `${JSON.stringify(line)}\n`).join('') : 'null\n'),
      ),
    );
    await fuzz(budget, journals, async (bytes) => {
      expect(parseJournal(bytes.toString()).length).toBeLessThanOrEqual(events.length + 12);
      const record = await typedOutcome(() => find(bytes), ['CorruptObject'], key);
      if (record) expect(Number.isNaN(record.startedAt.getTime())).toBe(false);
    });
  });

  it('refuses an output that is not JSON, naming the journal', async () => {
    const last = { ...events.at(-1), executionSucceededEventDetails: { output: '{' } };
    const lines = [...events.slice(0, -1), last].map((event) => `${JSON.stringify(event)}\n`).join('');
    await expect(find(Buffer.from(lines))).rejects.toMatchObject({ name: 'CorruptObject' });
  });
}

function describeInputs(budget: FuzzBudget): void {
  const { deps } = makeWorld();
  const accept = () => Promise.resolve({});
  const backup = { deployment: 'orders', compression: { codec: 'zstd', level: 3 }, labels: { a: 'b' }, Comment: 1 };
  const inputs: readonly (readonly [string, (payload: unknown) => Promise<unknown>, Json])[] = [
    [
      'of a backup',
      bind(accept, inspectDeploymentInput)({ ...deps, logger: noLogger }),
      { ...step('r'), startedAt: at, request: backup },
    ],
    [
      'of a restore',
      bind(accept, planRestoreInput)({ ...deps, logger: noLogger }),
      { ...step('r'), startedAt: at, request },
    ],
  ];

  it.each(inputs)('takes the input %s, or says what is wrong with it', async (_name, useCase, seed) => {
    expect(await useCase(seed)).toEqual({});
    await fuzz(budget, mutatedJson(seed), async (payload) => {
      await typedOutcome(() => useCase(payload), ['InvalidInput']);
    });
  });

  it('takes a connection string apart, or refuses it', async () => {
    const seed = Buffer.from('mongodb://ada:secret@a:1,[::1]:2/db?replicaSet=rs0&tls=true&authSource=admin');
    const texts = fc.oneof(mutated(seed).map(String), garbage.map(String), fc.string({ maxLength: 300 }));
    await fuzz(budget, texts, async (text) => {
      await typedOutcome(() => parseMongoUri(text), ['InvalidInput']);
    });
  });
}

/** What runs leave in the state storage, and what people and consoles hand in. */
export async function describeStateFuzz(budget: FuzzBudget): Promise<void> {
  const all = await seeds();
  describe('documents of the state storage', () => {
    describeDocuments(budget, all);
  });
  describe('requests', () => {
    describeInputs(budget);
  });
  await describeJournal(budget);
}
