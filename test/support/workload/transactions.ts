import type { ClientSession, Timestamp } from 'mongodb';
import type { Random } from '../../../local/demo/random.ts';
import { type Maker, placeOf, someFields, someId, somePlace, type World } from './operation.ts';

type Step = (session: ClientSession) => Promise<unknown>;

function someSteps(world: World, random: Random): { steps: Step[]; detail: string } {
  const steps: Step[] = [];
  const details: string[] = [];
  for (let n = 1 + random.below(4); n > 0; n -= 1) {
    const { collection, ns } = somePlace(world, random);
    const [id, fields, kind] = [someId(random), someFields(random), random.below(4)];
    const fresh = 2_000_000 + random.below(100_000);
    details.push(`${ns} ${JSON.stringify(id)} ${kind}`);
    steps.push((session) => {
      if (kind === 0) return collection.deleteOne({ _id: id }, { session });
      if (kind === 1) return collection.replaceOne({ _id: id }, fields, { session, upsert: true });
      if (kind === 2) return collection.updateOne({ _id: id }, { $inc: { n: 1 } }, { session });
      return collection.insertOne({ _id: fresh, ...fields }, { session });
    });
  }
  return { steps, detail: details.join(', ') };
}

/** Without the driver's retries: a conflict with another lane is an answer, not a defect. */
async function runSteps({ client }: World, steps: readonly Step[], end: (session: ClientSession) => Promise<unknown>) {
  const session = client.startSession();
  session.startTransaction();
  try {
    for (const step of steps) await step(session);
    await end(session);
  } catch (error) {
    await session.abortTransaction().catch(() => undefined);
    throw error;
  } finally {
    await session.endSession().catch(() => undefined);
  }
}

const small: Maker = (world, random) => {
  const { steps, detail } = someSteps(world, random);
  const create = random.below(4) === 0 ? `made${random.below(4)}` : undefined;
  const { db } = placeOf(world.client, 'x', '');
  const creation: Step[] =
    create === undefined
      ? []
      : [
          (session) => db.createCollection(create, { session }),
          (session) => db.collection(create).createIndex({ n: 1 }, {}, { session }),
          (session) => db.collection(create).insertOne({ n: 1 }, { session }),
        ];
  return {
    kind: create === undefined ? 'transaction' : 'transactionWithCreate',
    detail: `${detail} ${create ?? ''}`,
    run: () => runSteps(world, [...creation, ...steps], (session) => session.commitTransaction()),
  };
};

const aborted: Maker = (world, random) => {
  const { steps, detail } = someSteps(world, random);
  return {
    kind: 'abortedTransaction',
    detail,
    run: () => runSteps(world, steps, (session) => session.abortTransaction()),
  };
};

/** More than 16 MiB: a chain of entries. */
const large: Maker = (world, random) => {
  const { collection, ns } = placeOf(world.client, 'y', 'large');
  const [first, value, body] = [random.below(4), random.below(99), 'x'.repeat(6 * 1024 * 1024)];
  const steps: Step[] = [0, 1, 2].map(
    (n) => (session) => collection.replaceOne({ _id: first + n }, { n: value, body }, { session, upsert: true }),
  );
  return {
    kind: 'largeTransaction',
    detail: `${ns} from ${first}`,
    run: () => runSteps(world, steps, (session) => session.commitTransaction()),
  };
};

/** Stays open while the others go on. */
const held: Maker = (world, random) => {
  const { steps, detail } = someSteps(world, random);
  const [operations, commit] = [5 + random.below(40), random.below(4) > 0];
  const run = async () => {
    const work = runSteps(world, steps, async (session) => {
      await world.after(operations, 400);
      await (commit ? session.commitTransaction() : session.abortTransaction());
    });
    world.hold(() => work.catch(() => undefined));
    await Promise.resolve();
  };
  return { kind: 'heldTransaction', detail: `${detail} for ${operations}, ${commit ? 'commit' : 'abort'}`, run };
};

/**
 * Prepared, and decided while others have written on. `later` lets the commit be of a time after the prepare, as with
 * several participants; otherwise it is the prepare's own.
 */
async function prepareAndDecide(world: World, session: ClientSession, decision: string, operations: number) {
  const admin = world.client.db('admin');
  const majority = { writeConcern: { w: 'majority' } };
  const { prepareTimestamp } = await admin.command({ prepareTransaction: 1, ...majority }, { session });
  await world.after(operations, 300);
  if (decision === 'abort') {
    await admin.command({ abortTransaction: 1, ...majority }, { session });
    return;
  }
  const { operationTime } = await admin.command({ ping: 1 });
  const commitTimestamp = (decision === 'later' ? operationTime : prepareTimestamp) as Timestamp;
  await admin.command({ commitTransaction: 1, commitTimestamp, ...majority }, { session });
}

/** Needs enableTestCommands on a set that is no shard. */
const prepared: Maker = (world, random) => {
  const { steps, detail } = someSteps(world, random);
  const [operations, decision] = [random.below(30), random.pick(['abort', 'later', 'at prepare'])];
  const run = async () => {
    const session = world.client.startSession();
    session.startTransaction();
    try {
      for (const step of steps) await step(session);
    } catch (error) {
      await session.abortTransaction().catch(() => undefined);
      throw error;
    }
    const work = prepareAndDecide(world, session, decision, operations);
    world.hold(async () => {
      await work;
      await session.endSession().catch(() => undefined);
    });
  };
  return { kind: 'preparedTransaction', detail: `${detail} for ${operations}, ${decision}`, run };
};

export const transactionOperations: readonly (readonly [Maker, number])[] = [
  [small, 6],
  [aborted, 2],
  [held, 4],
  [prepared, 3],
];
export const largeTransaction = large;
