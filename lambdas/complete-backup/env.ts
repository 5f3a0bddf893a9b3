import * as z from 'zod';
import { stageVariables, stateVariables, workerVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...stageVariables, ...workerVariables });
