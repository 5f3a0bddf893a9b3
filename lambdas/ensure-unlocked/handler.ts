import * as z from 'zod';
import { bind } from '../../src/application/bind.ts';
import { ensureUnlocked, ensureUnlockedInput } from '../../src/application/use-cases/ensure-unlocked.ts';
import { watchLock } from '../../src/application/use-cases/watch-lock.ts';
import { composeEvents, composeStep } from '../../src/composition/compose-aws.ts';
import { composeMembers } from '../../src/composition/compose-aws-database.ts';
import { watchedLockSchema } from '../../src/domain/member-lock.ts';
import { makeHandler } from '../_shared/make-handler.ts';
import { parseEnvironment } from '../_shared/parse-environment.ts';
import { environment } from './env.ts';

const deps = { ...composeStep(parseEnvironment(environment)), ...composeMembers(), ...composeEvents() };

/** Of a schedule, which names the lock; the state machine calls with a step. */
const watchSchema = z.strictObject({ lock: watchedLockSchema });
const afterStep = bind(ensureUnlocked, ensureUnlockedInput)(deps);

export const handler = makeHandler((event, signal) => {
  const watched = watchSchema.safeParse(event);
  return watched.success ? watchLock(watched.data.lock, deps, signal) : afterStep(event, signal);
}, deps);
